// What outlives an agent that is killed: cgroups, a bpf mount, a state directory and the tasks' processes with their
// traffic. The process that holds this never opens a BPF link, so that it may fork agents that do.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/engine/state_store.h"
#include "tests/kernel/scratch_tree.h"
#include "tests/support/sockets.h"
#include "tests/support/temp_dir.h"

namespace bulkhead::test {

inline constexpr uint16_t kEchoPort = 7000;    // of acme/web: echoes, for tasks of acme
inline constexpr uint16_t kTrapPort = 7001;    // of acme/web: counts whatever arrives, for evil/probe
inline constexpr uint16_t kClosedPort = 7100;  // of the host: the policies in force deny it to acme
inline constexpr uint16_t kOpenPort = 7101;    // of the host: they allow it

// Counters of one process that makes or takes traffic, in shared memory.
struct Tally {
  std::atomic<uint64_t> count{0};
  std::atomic<int> error{0};  // errno of what ended it
};
struct Tallies {
  Tally tcp;      // echoes on one TCP connection of acme/app to acme/web, made once
  Tally udp;      // echoes on one UDP socket of the same
  Tally prober;   // attempts of evil/probe on acme/web's trap; error: what an attempt met other than EPERM
  Tally trap;     // connections and datagrams that arrived there
  Tally servers;  // those that listen
};

class CrashWorld {
 public:
  // Reasons to skip: PermissionDenied, FailedPrecondition. The calling process gets mount and network namespaces of its
  // own.
  static Result<std::unique_ptr<CrashWorld>> Create();
  ~CrashWorld();

  ScratchTree& scratch() { return *scratch_; }
  const std::string& bpffs() const { return bpffs_; }
  std::string state_path() const { return directory_ / "state.db"; }
  // What the state directory holds now; nobody else may have it open.
  Result<StateStore::Loaded> Saved() const;

  // Processes that wait to be moved into their tasks, and go on at Go(). Then all of them are up, or it says why not.
  struct Placed {
    std::string task;
    pid_t pid;
  };
  void StartTraffic();
  Status Go();
  const Tallies& tallies() const { return *tallies_; }
  // Both allowed flows and the prober have gone on since the call.
  Status CheckTraffic() const;

  // A process that sleeps, for a task that may lose it. Revive starts those anew that are dead.
  void AddSleeper(const std::string& task);
  void ReviveSleepers();
  bool SleeperAlive(const std::string& task);
  std::vector<Placed> placed() const;  // everything alive that belongs into a task

  // 0 or the errno of a connection from acme/flip to this port of the host.
  int ProbeHost(uint16_t port);
  // Runs `body` as an agent would run; what it writes with the function it gets. Its exit code (128 + signal) and all
  // that was written.
  struct Ended {
    int code = 0;
    std::string said;
  };
  using Say = std::function<void(const std::string&)>;
  Ended RunAgent(const std::function<void(const Say&)>& body);

 private:
  struct Member {
    std::string task;
    std::unique_ptr<Child> child;
  };
  CrashWorld() = default;
  void Add(std::vector<Member>& to, const std::string& task, const std::function<int()>& body);

  std::unique_ptr<ScratchTree> scratch_;
  TempDir directory_;
  std::string bpffs_;
  Tallies* tallies_ = nullptr;
  Gate servers_go_, clients_go_;
  std::vector<Member> traffic_, sleepers_;
};

}  // namespace bulkhead::test
