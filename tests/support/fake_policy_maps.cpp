#include "tests/support/fake_policy_maps.h"

#include <fmt/format.h>

namespace bulkhead {

const CompiledPolicy* FakePolicyMaps::Installed(uint32_t policy_id) const {
  const auto found = policies_.find(policy_id);
  return found == policies_.end() ? nullptr : &found->second;
}

const TaskBinding* FakePolicyMaps::BindingOf(uint64_t cgroup_id) const {
  const auto found = bindings_.find(cgroup_id);
  return found == bindings_.end() ? nullptr : &found->second;
}

std::vector<std::string> FakePolicyMaps::Hazards() const { return hazards_; }

Status FakePolicyMaps::CheckAttached() {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("check_attached", "check attached programs"));
  BULKHEAD_ASSIGN(const CgroupInfo root, tree_.Root());
  if (root.id != attached_to_) return FailedPrecondition("the top cgroup was made anew: no program is attached to it");
  if (!missing_.empty()) return FailedPrecondition(fmt::format("program {} is not attached", missing_));
  return Ok();
}

Status FakePolicyMaps::Attach() {
  return faults_.Mutate("attach", "attach programs", [&]() -> Status {
    BULKHEAD_ASSIGN(const CgroupInfo root, tree_.Root());
    attached_to_ = root.id;
    missing_.clear();
    return Ok();
  });
}

Status FakePolicyMaps::InstallPolicy(uint32_t policy_id, const CompiledPolicy& policy) {
  return faults_.Mutate("install", fmt::format("install policy {}", policy_id), [&]() -> Status {
    if (policies_.contains(policy_id)) return AlreadyExists(fmt::format("policy {} is installed already", policy_id));
    uint64_t prefixes = policy.prefixes.size();
    uint64_t classes = policy.classes.size();
    for (const auto& [id, installed] : policies_) {
      prefixes += installed.prefixes.size();
      classes += installed.classes.size();
    }
    const auto full = [&](const char* map, uint64_t need, uint64_t capacity) {
      return ResourceExhausted(
          fmt::format("install policy {}: map {} holds {}, needs {}", policy_id, map, capacity, need));
    };
    if (policies_.size() >= capacity_.policies) return full("policies", policies_.size() + 1, capacity_.policies);
    if (prefixes > capacity_.prefixes) return full("prefixes", prefixes, capacity_.prefixes);
    if (classes > capacity_.classes) return full("classes", classes, capacity_.classes);
    policies_[policy_id] = policy;
    return Ok();
  });
}

Status FakePolicyMaps::RetirePolicy(uint32_t policy_id) {
  return faults_.Mutate("retire", fmt::format("retire policy {}", policy_id), [&]() -> Status {
    policies_.erase(policy_id);
    for (const auto& [cgroup, binding] : bindings_)
      if (binding.policy_id == policy_id)
        hazards_.push_back(fmt::format("policy {} retired while cgroup {} used it", policy_id, cgroup));
    return Ok();
  });
}

Result<std::map<uint32_t, CompiledPolicy::Hash>> FakePolicyMaps::Policies() {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("policies", "read policies"));
  std::map<uint32_t, CompiledPolicy::Hash> hashes;
  for (const auto& [id, policy] : policies_) hashes[id] = policy.ContentHash();
  return hashes;
}

Status FakePolicyMaps::BindTask(uint64_t cgroup_id, const TaskBinding& binding, bool fresh) {
  return faults_.Mutate("bind", fmt::format("bind cgroup {}", cgroup_id), [&]() -> Status {
    if (binding.slot >= MaxTasks())
      return InvalidArgument(fmt::format("bind cgroup {}: slot {} of {}", cgroup_id, binding.slot, MaxTasks()));
    if (!bindings_.contains(cgroup_id) && bindings_.size() >= capacity_.tasks)
      return ResourceExhausted(fmt::format("bind cgroup {}: map tasks holds {}", cgroup_id, capacity_.tasks));
    if (!policies_.contains(binding.policy_id))
      hazards_.push_back(fmt::format("cgroup {} bound to policy {} that is not there", cgroup_id, binding.policy_id));
    for (const auto& [other, held] : bindings_)
      if (other != cgroup_id && held.slot == binding.slot)
        hazards_.push_back(fmt::format("slot {} of cgroups {} and {}", binding.slot, other, cgroup_id));
    bindings_[cgroup_id] = binding;
    if (fresh) counters_.erase(binding.slot);
    return Ok();
  });
}

Status FakePolicyMaps::UnbindTask(uint64_t cgroup_id) {
  return faults_.Mutate("unbind", fmt::format("unbind cgroup {}", cgroup_id), [&] {
    bindings_.erase(cgroup_id);
    return Ok();
  });
}

Result<std::map<uint64_t, TaskBinding>> FakePolicyMaps::Bindings() {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("bindings", "read bindings"));
  return bindings_;
}

Status FakePolicyMaps::SetAddress(const IpAddress& address, uint64_t cgroup_id) {
  return faults_.Mutate("set_address", "set address " + address.ToString(), [&]() -> Status {
    if (!addresses_.contains(address) && addresses_.size() >= capacity_.addresses)
      return ResourceExhausted(
          fmt::format("set address {}: map addresses holds {}", address.ToString(), capacity_.addresses));
    addresses_[address] = cgroup_id;
    return Ok();
  });
}

Status FakePolicyMaps::ClearAddress(const IpAddress& address) {
  return faults_.Mutate("clear_address", "clear address " + address.ToString(), [&] {
    addresses_.erase(address);
    return Ok();
  });
}

Result<std::map<IpAddress, uint64_t>> FakePolicyMaps::Addresses() {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("addresses", "read addresses"));
  return addresses_;
}

Result<NetworkCounters> FakePolicyMaps::ReadCounters(uint32_t slot) {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("counters", fmt::format("read counters of slot {}", slot)));
  if (slot >= MaxTasks()) return InvalidArgument(fmt::format("read counters: slot {} of {}", slot, MaxTasks()));
  const auto found = counters_.find(slot);
  return found == counters_.end() ? NetworkCounters{} : found->second;
}

std::vector<MapUse> FakePolicyMaps::Use() {
  uint64_t prefixes = 0;
  uint64_t classes = 0;
  for (const auto& [id, policy] : policies_) {
    prefixes += policy.prefixes.size();
    classes += policy.classes.size();
  }
  return {{"tasks", bindings_.size(), capacity_.tasks},
          {"policies", policies_.size(), capacity_.policies},
          {"prefixes", prefixes, capacity_.prefixes},
          {"classes", classes, capacity_.classes},
          {"addresses", addresses_.size(), capacity_.addresses}};
}

}  // namespace bulkhead
