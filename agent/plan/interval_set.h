// Port ranges of several rules, made disjoint.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/model/compiled_policy.h"
#include "agent/model/network_policy.h"

namespace bulkhead {

struct AllowedPorts {
  uint32_t rule = 0;                              // index into CompiledPolicy::rule_names
  const std::vector<PortRange>* ports = nullptr;  // empty = any protocol and port
};

// The union as sorted, disjoint ranges. Where rules overlap the first in order is named; a rule that allows everything
// stands for all of them.
std::vector<Interval> MergePorts(const std::vector<AllowedPorts>& rules);

}  // namespace bulkhead
