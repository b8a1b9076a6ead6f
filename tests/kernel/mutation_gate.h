// Decorators that every change of the kernel passes through: the process dies, or the change fails, at the n-th one.
// Reading is never disturbed.
#pragma once

#include <cstdint>
#include <string>

#include "agent/kernel/cgroup_tree.h"
#include "agent/kernel/policy_maps.h"

namespace bulkhead::test {

class MutationGate {
 public:
  enum class Fault {
    kNone,
    kKillBefore,  // SIGKILL to this process; nothing of the change has happened
    kKillAfter,   // the change is made, its caller never hears of it
    kFailBefore,  // the error, and nothing was done
    kFailAfter,   // the change is made and its caller hears of an error
  };

  // At the n-th change from now on, 1 is the next.
  void Arm(Fault fault, uint64_t n, int error = 0);
  void Disarm() { fault_ = Fault::kNone; }
  bool fired() const { return !fired_at_.empty(); }
  const std::string& fired_at() const { return fired_at_; }  // since Arm: what was to be done, "acme/web: create"

  template <typename Change>
  auto Pass(const std::string& what, Change change) -> decltype(change()) {
    BULKHEAD_RETURN_IF_ERROR(Before(what));
    auto result = change();
    if (result.ok()) BULKHEAD_RETURN_IF_ERROR(After(what));
    return result;
  }
  // A change that has no way to fail, only to be cut short.
  void KillPoint(const std::string& what);

 private:
  Status Before(const std::string& what);
  Status After(const std::string& what);

  Fault fault_ = Fault::kNone;
  uint64_t left_ = 0;
  int error_ = 0;
  std::string fired_at_;
};

class GatedTree final : public CgroupTree {
 public:
  GatedTree(CgroupTree& tree, MutationGate& gate) : tree_(tree), gate_(gate) {}

  Result<CgroupInfo> Root() override { return tree_.Root(); }
  Result<std::vector<CgroupPath>> List() override { return tree_.List(); }
  Result<CgroupInfo> Info(const CgroupPath& path) override { return tree_.Info(path); }
  Status Create(const CgroupPath& path) override;
  Result<Limits> ReadLimits(const CgroupPath& path) override { return tree_.ReadLimits(path); }
  Result<Limits> ReadLimits(const CgroupPath& path, const std::vector<LimitId>& ids) override {
    return tree_.ReadLimits(path, ids);
  }
  Result<std::optional<LimitValue>> SetLimit(const CgroupPath& path, const LimitId& id,
                                             const std::optional<LimitValue>& value) override;
  Result<uint64_t> MemoryInUse(const CgroupPath& path) override { return tree_.MemoryInUse(path); }
  Limits Effective(const CgroupPath& path, const Limits& wanted, const Limits& above) const override {
    return tree_.Effective(path, wanted, above);
  }
  std::set<LimitKind> Copied() const override { return tree_.Copied(); }
  LimitSupport Supports(const CgroupPath& path, const LimitId& id, const Limits& with) const override {
    return tree_.Supports(path, id, with);
  }
  Status Attach(const CgroupPath& path, int pid) override;
  Result<std::vector<int>> Processes(const CgroupPath& path) override { return tree_.Processes(path); }
  Status Kill(const CgroupPath& path, std::chrono::milliseconds timeout) override;
  Status Remove(const CgroupPath& path) override;

 private:
  CgroupTree& tree_;
  MutationGate& gate_;
};

class GatedMaps final : public PolicyMaps {
 public:
  GatedMaps(PolicyMaps& maps, MutationGate& gate) : maps_(maps), gate_(gate) {}

  Status CheckAttached() override { return maps_.CheckAttached(); }
  Status Attach() override;
  Status InstallPolicy(uint32_t policy_id, const CompiledPolicy& policy) override;
  Status RetirePolicy(uint32_t policy_id) override;
  Result<std::map<uint32_t, CompiledPolicy::Hash>> Policies() override { return maps_.Policies(); }
  Status BindTask(uint64_t cgroup_id, const TaskBinding& binding, bool fresh) override;
  Status UnbindTask(uint64_t cgroup_id) override;
  Result<std::map<uint64_t, TaskBinding>> Bindings() override { return maps_.Bindings(); }
  Status SetAddress(const IpAddress& address, uint64_t cgroup_id) override;
  Status ClearAddress(const IpAddress& address) override;
  Result<std::map<IpAddress, uint64_t>> Addresses() override { return maps_.Addresses(); }
  Result<NetworkCounters> ReadCounters(uint32_t slot) override { return maps_.ReadCounters(slot); }
  uint32_t MaxTasks() const override { return maps_.MaxTasks(); }
  std::vector<MapUse> Use() override { return maps_.Use(); }

 private:
  PolicyMaps& maps_;
  MutationGate& gate_;
};

}  // namespace bulkhead::test
