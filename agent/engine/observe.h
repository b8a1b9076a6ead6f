// Reads the kernel into the values that plans start from.
#pragma once

#include <functional>
#include <vector>

#include "agent/base/status.h"
#include "agent/kernel/cgroup_tree.h"
#include "agent/kernel/policy_maps.h"
#include "agent/model/specs.h"
#include "agent/plan/observed.h"
#include "agent/plan/plan.h"

namespace bulkhead {

// Everything. Limits of a cgroup that cannot be read count as unset: the write that follows names the cause.
Result<Observed> ObserveAll(CgroupTree& tree, PolicyMaps& maps);

// What is asked for at a place; nothing where no tenant or task is.
using Asked = std::function<Limits(const CgroupPath&)>;
// Everything again. Most cgroups have few of the limits that there are: of a cgroup that was there before only those
// are read that are asked for or were held before, and all where `whole` says so.
Result<Observed> ObserveAgain(CgroupTree& tree, PolicyMaps& maps, const Observed& before, const Asked& asked,
                              const std::function<bool(const CgroupPath&)>& whole);
// Only these cgroups, in the same way; what the maps hold nobody else changes.
Status ObserveCgroups(CgroupTree& tree, const std::vector<CgroupPath>& paths, const Asked& asked, Observed& have);

// The spec of the tenant or task at a place; nullptr: there is none.
const LimitSpec* SpecAt(const DesiredState& desired, const CgroupPath& path);

HostFacts FactsOf(const CgroupTree& tree, const PolicyMaps& maps, const Disks& disks);

}  // namespace bulkhead
