// What the kernel holds, as values: the "have" of a plan. Kept up to date step by step while a plan is performed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "agent/model/compiled_policy.h"
#include "agent/model/ids.h"
#include "agent/model/limits.h"
#include "agent/model/task_binding.h"
#include "agent/plan/id_pool.h"
#include "agent/plan/step.h"

namespace bulkhead {

struct ObservedCgroup {
  uint64_t id = 0;
  bool populated = false;
  Limits limits;  // as held; kernel defaults are absent
  bool operator==(const ObservedCgroup&) const = default;
};

class Observed {
 public:
  using Hash = CompiledPolicy::Hash;

  const std::map<CgroupPath, ObservedCgroup>& cgroups() const { return cgroups_; }  // tenants and tasks
  const std::map<uint64_t, TaskBinding>& bindings() const { return bindings_; }     // by cgroup id
  const std::map<uint32_t, Hash>& policies() const { return policies_; }
  const std::map<IpAddress, uint64_t>& addresses() const { return addresses_; }

  const ObservedCgroup* Cgroup(const CgroupPath& path) const;  // nullptr: there is none
  const TaskBinding* Binding(uint64_t cgroup_id) const;
  std::optional<uint32_t> PolicyWith(const Hash& hash) const;
  uint32_t UsersOf(uint32_t policy_id) const;                       // bindings
  std::set<IpAddress> AddressesOf(uint64_t cgroup_id) const;        // that lead to this cgroup
  std::optional<uint64_t> OwnerOf(const IpAddress& address) const;  // cgroup id
  bool HasCgroupId(uint64_t cgroup_id) const { return paths_.contains(cgroup_id); }
  std::optional<CgroupPath> PathOfId(uint64_t cgroup_id) const;
  uint32_t FreeSlot(uint32_t from) const { return slots_.LowestFree(from); }
  uint32_t FreePolicyId(uint32_t from) const { return policy_ids_.LowestFree(from); }

  void SetCgroup(const CgroupPath& path, const ObservedCgroup& cgroup);
  void EraseCgroup(const CgroupPath& path);  // and those below
  void SetBinding(uint64_t cgroup_id, const TaskBinding& binding);
  void EraseBinding(uint64_t cgroup_id);
  void SetPolicy(uint32_t policy_id, const Hash& hash);
  void ErasePolicy(uint32_t policy_id);
  void SetAddress(const IpAddress& address, uint64_t cgroup_id);
  void EraseAddress(const IpAddress& address);

  // The kernel after `step`. `new_cgroup_id` is for CreateCgroup.
  void Apply(const Step& step, uint64_t new_cgroup_id);

  bool operator==(const Observed& other) const {
    return cgroups_ == other.cgroups_ && bindings_ == other.bindings_ && policies_ == other.policies_ &&
           addresses_ == other.addresses_;
  }

 private:
  std::map<CgroupPath, ObservedCgroup> cgroups_;
  std::map<uint64_t, TaskBinding> bindings_;
  std::map<uint32_t, Hash> policies_;
  std::map<IpAddress, uint64_t> addresses_;

  // The same facts the other way round.
  std::map<uint64_t, CgroupPath> paths_;
  std::map<Hash, std::set<uint32_t>> policies_by_hash_;
  std::map<uint32_t, uint32_t> users_;
  std::map<uint64_t, std::set<IpAddress>> addresses_by_cgroup_;
  IdPool slots_;
  IdPool policy_ids_;
};

}  // namespace bulkhead
