// A cgroup tree in memory that behaves like the kernel's: ids that are never used again, ENOENT, EBUSY, page rounding,
// populated, processes. It outlives the engine that uses it, as a kernel does.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/kernel/cgroup_tree.h"
#include "tests/support/faults.h"

namespace bulkhead {

class FakeCgroupTree final : public CgroupTree {
 public:
  explicit FakeCgroupTree(StepCounter* steps = nullptr) : faults_(steps) { nodes_[""].id = next_id_++; }

  // Operations: root, list, info, create, read, attach, processes, kill, remove; a limit's name ("memory.max") for its
  // write.
  void FailNext(const std::string& operation, int error) { faults_.FailNext(operation, error); }

  // The world outside the agent.
  int AddProcess(const CgroupPath& path);  // a new process in path; its pid
  int AddProcessElsewhere();               // a new process in no cgroup of ours
  void EndProcess(int pid) { processes_.erase(pid); }
  void MakeInside(const CgroupPath& path, const std::string& child);  // a cgroup that a task makes inside itself
  void WriteBehind(const CgroupPath& path, LimitKind kind, std::optional<uint64_t> value);  // somebody else's write
  void RemoveBehind(const CgroupPath& path);  // somebody else kills and removes it; "" takes the whole tree
  void RefuseToDie(const CgroupPath& path) { immortal_.insert(path.value); }
  void LetDie(const CgroupPath& path) { immortal_.erase(path.value); }
  void SetUnsupported(LimitKind kind, const std::string& why) { unsupported_[kind] = why; }

  // What is there now.
  std::vector<std::string> Paths() const;  // all levels below the root, sorted
  std::string WhereIs(int pid) const;      // path; "elsewhere"; "dead"
  Limits LimitsAt(const std::string& path) const { return nodes_.at(path).limits; }
  uint64_t IdOf(const std::string& path) const { return nodes_.at(path).id; }

  Result<CgroupInfo> Root() override;
  Result<std::vector<CgroupPath>> List() override;
  Result<CgroupInfo> Info(const CgroupPath& path) override;
  Status Create(const CgroupPath& path) override;
  Result<Limits> ReadLimits(const CgroupPath& path) override;
  Result<std::optional<uint64_t>> SetLimit(const CgroupPath& path, LimitKind kind,
                                           std::optional<uint64_t> value) override;
  std::optional<uint64_t> Effective(LimitKind kind, std::optional<uint64_t> value) const override;
  std::string Unsupported(LimitKind kind) const override;
  Status Attach(const CgroupPath& path, int pid) override;
  Result<std::vector<int>> Processes(const CgroupPath& path) override;
  Status Kill(const CgroupPath& path, std::chrono::milliseconds timeout) override;
  Status Remove(const CgroupPath& path) override;

 private:
  struct Node {
    uint64_t id = 0;
    Limits limits;
  };
  Status MustExist(const CgroupPath& path, const std::string& what) const;
  std::vector<int> ProcessesBelow(const std::string& path) const;
  void Erase(const std::string& path);

  Faults faults_;
  std::map<std::string, Node> nodes_;
  std::map<int, std::string> processes_;  // pid → path; "/" is elsewhere
  std::set<std::string> immortal_;
  std::map<LimitKind, std::string> unsupported_;
  uint64_t next_id_ = 1000;
  int next_pid_ = 5'000'000;  // above every real one: nothing is found in /proc
};

}  // namespace bulkhead
