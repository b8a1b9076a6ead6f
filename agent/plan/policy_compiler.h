// Turns the policies that select a task into the one form that the data plane evaluates. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/compiled_policy.h"
#include "agent/model/specs.h"

namespace bulkhead {

// The cloud's metadata services hand out credentials: egress to them is denied whatever wider rules and the baseline
// say. Only egress rules that name exactly the address (its /32 or /128) count there.
const IpPrefix& MetadataV4();  // 169.254.169.254/32
const IpPrefix& MetadataV6();  // fd00:ec2::254/128

// What the data plane searches linearly for a new flow, at most (POLICY_CHUNK × POLICY_MAX_CHUNKS).
inline constexpr size_t kMaxIntervalsPerClass = 256;

// The policies of the task's tenant that select it, ordered by name.
std::vector<const PolicySpec*> SelectingPolicies(const DesiredState& desired, const TaskSpec& task);

// `selecting` ordered by name. Per direction: with a selecting policy, what its rules allow and nothing else; else the
// baseline. Every prefix entry carries the union of all rules that cover it, since the most specific entry decides
// alone; an except is a hole for its own peer only. Policies of equal meaning compile to equal classes and prefixes
// where ranges and prefixes can show it. n log n in the number of CIDRs and holes.
// ResourceExhausted, naming the policies, when one destination would need more than kMaxIntervalsPerClass ranges.
Result<CompiledPolicy> CompilePolicy(const std::vector<const PolicySpec*>& selecting, Baseline baseline);

}  // namespace bulkhead
