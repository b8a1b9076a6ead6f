// The limits of one cgroup: from what it holds to what it should, in an order that the kernel takes. Pure.
#pragma once

#include <set>
#include <vector>

#include "agent/model/limits.h"
#include "agent/plan/step.h"

namespace bulkhead {

// Which part of a change. Between levels, widening comes from the top down and narrowing from the bottom up.
enum class Part : uint8_t { kWidening, kNarrowing, kAll };

struct LimitChange {
  const Limits& effective;  // what the kernel makes of what is asked for
  const Limits& held;
};

// Order within the cgroup: a burst never exceeds the quota, memory.high never memory.max, and a weight is set while the
// cgroup is not idle.
// `copied`: sets that must hold those of the cgroups below at every moment. One that is exchanged for another is first
// widened to both; the cgroups below change in between.
std::vector<SetLimit> PlanLimits(const CgroupPath& path, const LimitChange& change, Part part,
                                 const std::set<LimitKind>& copied);

}  // namespace bulkhead
