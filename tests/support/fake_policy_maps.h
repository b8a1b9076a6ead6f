// The data plane's tables in memory: installed policies, bindings, addresses, counters, capacity. Whatever would open
// or shut a task's network by accident (a binding to a policy that is not there, a slot used twice) is listed by
// Hazards().
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/kernel/policy_maps.h"
#include "tests/support/fake_cgroup_tree.h"
#include "tests/support/faults.h"

namespace bulkhead {

class FakePolicyMaps final : public PolicyMaps {
 public:
  struct Capacity {
    uint64_t tasks = 16384;
    uint64_t policies = 16384;
    uint64_t prefixes = 1048576;
    uint64_t classes = 131072;
    uint64_t addresses = 65536;
  };

  // Attached to the tree's top cgroup as it is now.
  explicit FakePolicyMaps(FakeCgroupTree& tree, StepCounter* steps = nullptr)
      : tree_(tree), faults_(steps), attached_to_(tree.IdOf("")) {}

  // Operations: check_attached, attach, install, retire, policies, bind, unbind, bindings, set_address, clear_address,
  // addresses, counters.
  void FailNext(const std::string& operation, int error) { faults_.FailNext(operation, error); }
  void SetCapacity(const Capacity& capacity) { capacity_ = capacity; }
  void SetCounters(uint32_t slot, const NetworkCounters& counters) { counters_[slot] = counters; }
  void DetachBehind(const std::string& program) { missing_ = program; }  // somebody else detached it

  const CompiledPolicy* Installed(uint32_t policy_id) const;
  const TaskBinding* BindingOf(uint64_t cgroup_id) const;
  std::vector<std::string> Hazards() const;  // since the start; empty is what a correct engine leaves

  Status CheckAttached() override;
  Status Attach() override;
  Status InstallPolicy(uint32_t policy_id, const CompiledPolicy& policy) override;
  Status RetirePolicy(uint32_t policy_id) override;
  Result<std::map<uint32_t, CompiledPolicy::Hash>> Policies() override;
  Status BindTask(uint64_t cgroup_id, const TaskBinding& binding, bool fresh) override;
  Status UnbindTask(uint64_t cgroup_id) override;
  Result<std::map<uint64_t, TaskBinding>> Bindings() override;
  Status SetAddress(const IpAddress& address, uint64_t cgroup_id) override;
  Status ClearAddress(const IpAddress& address) override;
  Result<std::map<IpAddress, uint64_t>> Addresses() override;
  Result<NetworkCounters> ReadCounters(uint32_t slot) override;
  uint32_t MaxTasks() const override { return static_cast<uint32_t>(capacity_.tasks); }
  std::vector<MapUse> Use() override;

 private:
  FakeCgroupTree& tree_;
  Faults faults_;
  uint64_t attached_to_;
  std::string missing_;
  Capacity capacity_;
  std::map<uint32_t, CompiledPolicy> policies_;
  std::map<uint64_t, TaskBinding> bindings_;
  std::map<IpAddress, uint64_t> addresses_;
  std::map<uint32_t, NetworkCounters> counters_;
  std::vector<std::string> hazards_;
};

}  // namespace bulkhead
