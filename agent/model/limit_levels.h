// Limits of several levels of the tree, taken together. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/model/limits.h"

namespace bulkhead {

struct LimitLevel {
  std::string name;  // "task", "tenant", "host"
  Limits limits;     // as the kernel holds them
};

// What counts in the end. Weights and other limits that are no bounds concern one level only and are left out.
struct OverallLimits {
  Limits limits;                              // of each the narrowest; sets are what all levels have
  std::map<LimitId, std::string> decided_by;  // the level that has it, where that is not the innermost
};
OverallLimits Overall(const std::vector<LimitLevel>& levels);  // from the innermost outwards

// Of a tenant: what its tasks may use together is more than what it may.
struct OverCommit {
  LimitId id;
  uint64_t limit = 0;
  uint64_t sum = 0;  // of the tasks; of a task without a limit of its own it is the tenant's
};
std::vector<OverCommit> OverCommits(const Limits& tenant, const std::vector<Limits>& tasks);

// What a guarantee of memory takes from the host: the larger of memory.min and memory.low.
uint64_t GuaranteedMemory(const Limits& limits);

}  // namespace bulkhead
