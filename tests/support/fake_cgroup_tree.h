// A cgroup tree in memory that behaves like the kernel's, of either kind of host: ids that are never used again,
// ENOENT, EBUSY, page rounding, populated, processes, limits that exclude each other. It outlives the engine that uses
// it, as a kernel does.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/kernel/cgroup_tree.h"
#include "agent/model/limit_host.h"
#include "tests/support/faults.h"

namespace bulkhead {

class FakeCgroupTree final : public CgroupTree {
 public:
  explicit FakeCgroupTree(StepCounter* steps = nullptr, const LimitHost& host = Unified())
      : faults_(steps), host_(host) {
    nodes_[""].id = next_id_++;
  }

  // 4 CPUs and 2 memory nodes, huge pages of 2 MiB, disk 8:0; everything that a kernel offers.
  static LimitHost Unified();
  static LimitHost Hybrid();

  // Operations: root, list, info, create, read, attach, processes, kill, remove; a limit's name ("memory.max") for its
  // write.
  void FailNext(const std::string& operation, int error) { faults_.FailNext(operation, error); }

  // The world outside the agent.
  int AddProcess(const CgroupPath& path);  // a new process in path; its pid
  int AddProcessElsewhere();               // a new process in no cgroup of ours
  void EndProcess(int pid) { processes_.erase(pid); }
  void MakeInside(const CgroupPath& path, const std::string& child);  // a cgroup that a task makes inside itself
  void WriteBehind(const CgroupPath& path, const LimitId& id, const std::optional<LimitValue>& value);  // foreign
  // What a cgroup uses: `locked` of it cannot be reclaimed.
  void Use(const CgroupPath& path, uint64_t bytes, uint64_t locked);
  void RemoveBehind(const CgroupPath& path);  // somebody else kills and removes it; "" takes the whole tree
  void RefuseToDie(const CgroupPath& path) { immortal_.insert(path.value); }
  void LetDie(const CgroupPath& path) { immortal_.erase(path.value); }
  void SetUnsupported(LimitKind kind, const std::string& why) {
    host_.weaker[kind] = {LimitSupport::Level::kNone, why};
  }

  struct Write {
    std::string path;
    LimitId id;
    std::optional<LimitValue> before, after;
  };
  const std::vector<Write>& writes() const { return writes_; }  // of limits, oldest first
  uint64_t oom_kills() const { return oom_kills_; }             // of limits below what cannot be reclaimed

  // What is there now.
  std::vector<std::string> Paths() const;  // all levels below the root, sorted
  std::string WhereIs(int pid) const;      // path; "elsewhere"; "dead"
  Limits LimitsAt(const std::string& path) const { return Visible(nodes_.at(path).limits); }
  uint64_t IdOf(const std::string& path) const { return nodes_.at(path).id; }

  Result<CgroupInfo> Root() override;
  Result<std::vector<CgroupPath>> List() override;
  Result<CgroupInfo> Info(const CgroupPath& path) override;
  Status Create(const CgroupPath& path) override;
  Result<Limits> ReadLimits(const CgroupPath& path) override;
  Result<Limits> ReadLimits(const CgroupPath& path, const std::vector<LimitId>& ids) override;
  Result<std::optional<LimitValue>> SetLimit(const CgroupPath& path, const LimitId& id,
                                             const std::optional<LimitValue>& value) override;
  Limits Effective(const CgroupPath& path, const Limits& wanted, const Limits& above) const override {
    return EffectiveOn(host_, TierOf(path), wanted, above);
  }
  std::set<LimitKind> Copied() const override { return CopiedOn(host_); }
  LimitSupport Supports(const CgroupPath& path, const LimitId& id, const Limits& with) const override {
    return SupportOn(host_, TierOf(path), id, with);
  }
  Result<uint64_t> MemoryInUse(const CgroupPath& path) override;
  Status Attach(const CgroupPath& path, int pid) override;
  Result<std::vector<int>> Processes(const CgroupPath& path) override;
  Status Kill(const CgroupPath& path, std::chrono::milliseconds timeout) override;
  Status Remove(const CgroupPath& path) override;

 private:
  struct Node {
    uint64_t id = 0;
    uint64_t used = 0;
    uint64_t locked = 0;
    Limits limits;  // on a hybrid host every cgroup but the top has its sets in here
  };
  static Tier TierOf(const CgroupPath& path) {
    return path.value.find('/') == std::string::npos ? Tier::kTenant : Tier::kTask;
  }
  int Refusal(const std::string& path, const LimitId& id, const std::optional<LimitValue>& value) const;
  int RefusalOfSet(const std::string& path, LimitKind kind, const IndexSet& set) const;
  int Shrink(const std::string& path, LimitKind kind, uint64_t bytes);
  void Hold(const std::string& path, const LimitId& id, const std::optional<LimitValue>& value);
  Limits Visible(Limits held) const;  // as it is read
  IndexSet SetAt(const std::string& path, LimitKind kind) const;
  Status MustExist(const CgroupPath& path, const std::string& what) const;
  std::vector<int> ProcessesBelow(const std::string& path) const;
  void Erase(const std::string& path);

  Faults faults_;
  std::map<std::string, Node> nodes_;
  std::map<int, std::string> processes_;  // pid → path; "/" is elsewhere
  std::set<std::string> immortal_;
  LimitHost host_;
  std::vector<Write> writes_;
  uint64_t oom_kills_ = 0;
  uint64_t next_id_ = 1000;
  int next_pid_ = 5'000'000;  // above every real one: nothing is found in /proc
};

}  // namespace bulkhead
