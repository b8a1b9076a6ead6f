#include "tests/support/random_policy.h"

#include <algorithm>
#include <iterator>

namespace bulkhead::test {
namespace {

constexpr uint8_t kProtocols[] = {0, 1, 6, 17, 58, 132};

}  // namespace

Interval RandomPolicies::RandomInterval() {
  Interval interval;
  interval.protocol = kProtocols[Below(std::size(kProtocols))];
  interval.allow = Below(3) != 0;
  interval.low = static_cast<uint16_t>(Below(4) == 0 ? 0 : Below(200));
  interval.high = static_cast<uint16_t>(Below(4) == 0 ? 65535 : interval.low + Below(10));
  interval.rule = Below(100);
  return interval;
}

IpPrefix RandomPolicies::RandomPrefix(const std::vector<uint8_t>& lengths, Family family) {
  IpPrefix prefix;
  prefix.address.family = family;
  prefix.length = lengths[Below(static_cast<uint32_t>(lengths.size()))];
  // Few values per byte, so that prefixes nest and repeat.
  for (size_t bit = 0; bit < prefix.length; ++bit)
    if (Below(8) == 0) prefix.address.bytes[bit / 8] |= static_cast<uint8_t>(0x80u >> bit % 8);
  return prefix;
}

CompiledPolicy RandomPolicies::Policy(bool many_lengths) {
  CompiledPolicy policy;
  for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
    for (const uint32_t id : {kClassSameTenant, kClassOtherTenant, kFirstPrefixClass, kFirstPrefixClass + 1}) {
      if (Below(4) == 0) continue;
      auto& intervals = policy.classes[{direction, id}];
      for (uint32_t i = Below(5) == 0 ? 70 : Below(4) + 1; i > 0; --i) intervals.push_back(RandomInterval());
    }
    for (const Family family : {Family::kV4, Family::kV6}) {
      const uint32_t longest = family == Family::kV4 ? 32 : 128;
      std::vector<uint8_t> lengths;
      for (uint32_t i = many_lengths ? 20 : 1 + Below(8); i > 0; --i)
        lengths.push_back(static_cast<uint8_t>(Below(longest + 1)));
      for (uint32_t i = Below(40); i > 0; --i)
        policy.prefixes.push_back({direction, RandomPrefix(lengths, family), kFirstPrefixClass + Below(3)});
    }
  }
  if (Below(2) == 0)
    for (uint32_t i = Below(4) + 1; i > 0; --i)
      policy.classes[{Direction::kBind, kClassBind}].push_back(RandomInterval());
  const auto same = [](const PrefixEntry& a, const PrefixEntry& b) {
    return a.direction == b.direction && a.prefix == b.prefix;
  };
  std::sort(policy.prefixes.begin(), policy.prefixes.end());
  policy.prefixes.erase(std::unique(policy.prefixes.begin(), policy.prefixes.end(), same), policy.prefixes.end());
  return policy;
}

Flow RandomPolicies::FlowFor(const CompiledPolicy& policy) {
  Flow flow;
  flow.direction = Below(2) == 0 ? Direction::kIngress : Direction::kEgress;
  flow.remote = static_cast<Remote>(Below(3));
  flow.address.family = Below(2) == 0 ? Family::kV4 : Family::kV6;
  if (!policy.prefixes.empty() && Below(8) != 0)
    flow.address = policy.prefixes[Below(static_cast<uint32_t>(policy.prefixes.size()))].prefix.address;
  const uint32_t bits = flow.address.family == Family::kV4 ? 32 : 128;
  for (uint32_t flips = Below(3); flips > 0; --flips) {
    const uint32_t bit = Below(bits);
    flow.address.bytes[bit / 8] ^= static_cast<uint8_t>(0x80u >> bit % 8);
  }
  constexpr uint8_t kWithPorts[] = {6, 17, 132};
  flow.protocol = Below(5) == 0 ? (flow.address.family == Family::kV4 ? 1 : 58) : kWithPorts[Below(3)];
  flow.port = flow.protocol == 1 || flow.protocol == 58 ? uint16_t{0} : static_cast<uint16_t>(Below(210));
  return flow;
}

}  // namespace bulkhead::test
