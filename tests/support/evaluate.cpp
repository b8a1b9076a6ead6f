#include "tests/support/evaluate.h"

namespace bulkhead::test {
namespace {

const Interval* FirstMatch(const CompiledPolicy& policy, ClassKey key, uint8_t protocol, uint16_t port) {
  const auto found = policy.classes.find(key);
  if (found == policy.classes.end()) return nullptr;
  for (const Interval& interval : found->second)
    if ((interval.protocol == 0 || interval.protocol == protocol) && interval.low <= port && port <= interval.high)
      return &interval;
  return nullptr;
}

}  // namespace

Verdict Evaluate(const CompiledPolicy& policy, const Flow& flow) {
  if (flow.remote != Remote::kNoTask) {
    const uint32_t identity = flow.remote == Remote::kSameTenant ? kClassSameTenant : kClassOtherTenant;
    if (const auto* match = FirstMatch(policy, {flow.direction, identity}, flow.protocol, flow.port))
      return {match->allow, match->rule};
  }
  const PrefixEntry* best = nullptr;
  for (const PrefixEntry& entry : policy.prefixes)
    if (entry.direction == flow.direction && entry.prefix.Contains(flow.address) &&
        (!best || entry.prefix.length > best->prefix.length))
      best = &entry;
  if (!best) return {};
  if (const auto* match = FirstMatch(policy, {flow.direction, best->class_id}, flow.protocol, flow.port))
    return {match->allow, match->rule};
  return {};
}

bool MayBind(const CompiledPolicy& policy, uint8_t protocol, uint16_t port) {
  const ClassKey key{Direction::kBind, kClassBind};
  if (!policy.classes.contains(key)) return true;
  const Interval* match = FirstMatch(policy, key, protocol, port);
  return match && match->allow;
}

}  // namespace bulkhead::test
