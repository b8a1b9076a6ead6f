// A place to try the data plane for real: cgroups of its own, a private bpf mount, network namespaces of its own. All
// of it goes away with the process (mount and namespaces by themselves; a crashed run's cgroups are swept by the next).
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/unique_fd.h"
#include "agent/kernel/bpf_policy.h"

namespace bulkhead::test {

// A forked process in a cgroup. Killed and reaped when it goes out of scope.
class TaskProcess {
 public:
  explicit TaskProcess(pid_t pid) : pid_(pid) {}
  TaskProcess(TaskProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  TaskProcess& operator=(TaskProcess&&) = delete;
  ~TaskProcess();
  pid_t pid() const { return pid_; }
  int Wait();  // its exit code; 128 + signal when it was killed

 private:
  pid_t pid_;
};

class Lab {
 public:
  // An error says why this machine cannot: no root, no cgroup2 mount. The calling process gets mount and network
  // namespaces of its own.
  static Result<std::unique_ptr<Lab>> Create();
  ~Lab();

  const std::string& root() const { return root_; }    // path of the top cgroup
  const std::string& bpffs() const { return bpffs_; }  // directory on the private mount
  BpfPolicy& maps() { return *maps_; }
  void CloseMaps() { maps_.reset(); }  // as an agent that exits
  Status OpenMaps();                   // as the next one that starts

  std::vector<uint32_t> LinkIds() const;                // of the pinned links
  void DetachBehind(const std::string& program) const;  // as somebody else would

  // Makes the cgroup with those above it: "acme", "acme/web". Returns its id.
  uint64_t Make(const std::string& path);
  uint64_t IdOf(const std::string& path) const;
  void RemakeRoot();  // removes all cgroups and makes the top one again
  // Installs the policy, equal ones once, and binds the task "acme/web" (made if missing). Aborts the test on an error.
  void Bind(const std::string& task, const CompiledPolicy& policy);
  uint32_t SlotOf(const std::string& task) const { return slots_.at(task); }
  NetworkCounters Counters(const std::string& task);

  // Runs `body` in a process of that cgroup ("" = outside of all), in `netns` (-1 = the lab's). Its result is the exit
  // code.
  TaskProcess Start(const std::string& cgroup, const std::function<int()>& body, int netns = -1);
  int Run(const std::string& cgroup, const std::function<int()>& body, int netns = -1);
  // Like Start, and waits until the body calls ready().
  TaskProcess Serve(const std::string& cgroup, const std::function<int(const std::function<void()>& ready)>& body,
                    int netns = -1);
  // The test process itself, for BPF_PROG_TEST_RUN, whose socket belongs to the caller's cgroup. Leaves at the end.
  void Enter(const std::string& cgroup);
  void Leave();

  // A network namespace with loopback up.
  UniqueFd MakeNetns();
  // Runs ip(8) there. Aborts the test when it fails.
  void Ip(int netns, const std::string& arguments);

 private:
  Lab() = default;
  pid_t Fork(const std::string& cgroup);

  std::string home_;  // cgroup of the test process
  std::string root_;
  std::string bpffs_;
  std::string temp_;
  UniqueFd netns_;
  std::unique_ptr<BpfPolicy> maps_;
  std::map<CompiledPolicy::Hash, uint32_t> policies_;
  std::map<std::string, uint32_t> slots_;
};

}  // namespace bulkhead::test
