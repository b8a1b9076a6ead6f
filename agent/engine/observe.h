// Reads the kernel into the values that plans start from.
#pragma once

#include <vector>

#include "agent/base/status.h"
#include "agent/kernel/cgroup_tree.h"
#include "agent/kernel/policy_maps.h"
#include "agent/plan/observed.h"
#include "agent/plan/plan.h"

namespace bulkhead {

// Everything. Limits of a cgroup that cannot be read count as unset: the write that follows names the cause.
Result<Observed> ObserveAll(CgroupTree& tree, PolicyMaps& maps);
// Only these cgroups anew; what the maps hold nobody else changes.
Status ObserveCgroups(CgroupTree& tree, const std::vector<CgroupPath>& paths, Observed& have);

HostFacts FactsOf(const CgroupTree& tree, const PolicyMaps& maps);

}  // namespace bulkhead
