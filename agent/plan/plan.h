// Desired against kernel, as a list of steps. Apply, delete, recover and reconcile all come through here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/specs.h"
#include "agent/plan/observed.h"
#include "agent/plan/step.h"

namespace bulkhead {

// A compiled policy with its hash, which is dear to compute for a large one.
struct HashedPolicy {
  std::shared_ptr<const CompiledPolicy> policy;
  CompiledPolicy::Hash hash{};
};

// What of the host a plan depends on.
struct HostFacts {
  // What the kernel makes of limits below others (CgroupTree::Effective): pages, converted weights, what it lacks.
  std::function<Limits(const CgroupPath& path, const Limits& wanted, const Limits& above)> effective;
  std::set<LimitKind> copied;  // sets that every cgroup holds, within those of the one above (CgroupTree::Copied)
  Disks disks;                 // under the paths that specs name
  uint32_t max_tasks = 0;      // slots are 0 … max_tasks-1
};

struct PlanScope {
  // Objects that the plan may change; one that is not in the desired state is removed. A task's tenant is made when its
  // cgroup is missing, in scope or not.
  std::set<TenantId> tenants;
  std::set<TaskId> tasks;
  // All desired objects, and leftovers. Cgroups that no desired object knows are left alone, with their bindings.
  bool everything = false;
  // What leads to no cgroup any more: bindings and addresses; and policies that nobody uses.
  bool leftovers = false;
  // Tenants' limits are only widened; what narrows waits until their tasks are narrowed.
  bool widen_tenants_only = false;
};

// Pure: the same input is the same plan; a kernel that agrees already is an empty one. The order within it:
//   1. what leads nowhere goes; tenants are made, their limits widened (top down)
//   2. each task: cgroup, limits, the policy whole, the flip to it, addresses; processes move in only afterwards
//   3. sets that tasks outside the scope hold copies of; tenants' limits narrow (bottom up)
//   4. removed tasks: kill, cgroup (the last sample is taken before), binding, addresses; then removed tenants
//   5. policies that nobody uses any more
// `policies` holds every task in scope. ResourceExhausted when the data plane has no slot left.
Result<std::vector<Step>> MakePlan(const DesiredState& want, const std::map<TaskId, HashedPolicy>& policies,
                                   const Observed& have, const PlanScope& scope, const HostFacts& host);

}  // namespace bulkhead
