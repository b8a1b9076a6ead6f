// Compiled policies against their meaning, on random policies and flows drawn from a small world in which prefixes
// nest, holes overlap and ports touch.
#include <random>

#include <gtest/gtest.h>

#include "agent/plan/policy_compiler.h"
#include "tests/support/builders.h"
#include "tests/support/matchers.h"
#include "tests/unit/plan/naive_policy.h"

namespace bulkhead::test {
namespace {

class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {}

  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  IpAddress AnyAddress() {
    switch (Below(10)) {
      case 0:
        return Address("169.254.169.254");
      case 1:
        return Address("fd00:ec2::254");
      case 2:
        return Address("169.254.169.253");
      default:
        break;
    }
    IpAddress address = Address(Below(2) ? "10.0.0.0" : "fd00::");
    address.bytes[address.family == Family::kV4 ? 3 : 15] = static_cast<uint8_t>(Below(64));
    return address;
  }

  IpPrefix AnyPrefix() {
    const IpAddress address = AnyAddress();
    const unsigned full = address.family == Family::kV4 ? 32 : 128;
    return Shorten(address, Below(8) == 0 ? Below(full + 1) : full - Below(7));
  }

  IpPrefix Inside(const IpPrefix& outer) {
    for (int attempt = 0; attempt < 50; ++attempt)
      if (const IpPrefix inner = AnyPrefix(); outer.Contains(inner)) return inner;
    return outer;
  }

  PortRange AnyPort() {
    const uint8_t protocol = std::array<uint8_t, 3>{6, 17, 1}[Below(3)];
    if (protocol == 1 || Below(5) == 0) return {protocol, 0, 65535};
    const uint32_t low = Below(10);
    return {protocol, static_cast<uint16_t>(low), static_cast<uint16_t>(low + Below(5))};
  }

  Rule AnyRule() {
    Rule rule;
    for (uint32_t peers = Below(4); peers > 0; --peers) {
      Peer peer{.kind = Below(4) == 0 ? Peer::Kind::kSameTenant : Peer::Kind::kCidr};
      if (peer.kind == Peer::Kind::kCidr) {
        peer.cidr = AnyPrefix();
        for (uint32_t holes = Below(4); holes > 0; --holes) peer.except.push_back(Inside(peer.cidr));
      }
      rule.peers.push_back(peer);
    }
    for (uint32_t ports = Below(4); ports > 0; --ports) rule.ports.push_back(AnyPort());
    return rule;
  }

  PolicySpec AnyPolicy(const std::string& name) {
    PolicySpec policy{.id = {"acme", name}};
    for (auto* rules : {&policy.ingress, &policy.egress}) {
      if (Below(3) == 0) continue;
      rules->emplace();
      for (uint32_t count = Below(4); count > 0; --count) (*rules)->push_back(AnyRule());
    }
    if (Below(2)) {
      policy.bind.emplace();
      for (uint32_t count = Below(4); count > 0; --count) policy.bind->push_back(AnyPort());
    }
    return policy;
  }

  Flow AnyFlow() {
    Flow flow{.direction = Below(2) ? Direction::kIngress : Direction::kEgress, .address = AnyAddress()};
    // No task of this host owns a metadata address: the engine refuses it.
    if (flow.address != MetadataV4().address && flow.address != MetadataV6().address)
      flow.remote = static_cast<Remote>(Below(3));
    flow.protocol = std::array<uint8_t, 4>{6, 17, 1, 132}[Below(4)];
    flow.port = flow.protocol == 1 ? uint16_t{0} : static_cast<uint16_t>(Below(16));
    return flow;
  }

 private:
  static IpPrefix Shorten(IpAddress address, unsigned length) {
    for (unsigned bit = length; bit < 128; ++bit)
      address.bytes[bit / 8] = static_cast<uint8_t>(address.bytes[bit / 8] & ~(0x80U >> (bit % 8)));
    return {address, static_cast<uint8_t>(length)};
  }

  std::mt19937 random_;
};

std::string Describe(const Flow& flow) {
  return std::string(flow.direction == Direction::kIngress ? "ingress " : "egress ") + flow.address.ToString() +
         " remote " + std::to_string(static_cast<int>(flow.remote)) + " protocol " + std::to_string(flow.protocol) +
         " port " + std::to_string(flow.port);
}

TEST(PolicyProperty, CompiledPoliciesMeanWhatTheirSpecsMean) {
  int allowed = 0;
  int denied = 0;
  for (uint32_t seed = 1; seed <= 600; ++seed) {
    World world(seed);
    std::vector<PolicySpec> specs;
    for (uint32_t count = world.Below(4); count > 0; --count)
      specs.push_back(world.AnyPolicy("p" + std::to_string(specs.size())));
    std::vector<const PolicySpec*> selecting;
    for (const PolicySpec& spec : specs) selecting.push_back(&spec);
    const auto baseline = static_cast<Baseline>(world.Below(3));
    BULKHEAD_TEST_ASSIGN(const CompiledPolicy compiled, CompilePolicy(selecting, baseline));
    for (int i = 0; i < 200; ++i) {
      const Flow flow = world.AnyFlow();
      const bool expected = NaiveAllows(selecting, baseline, flow);
      ASSERT_EQ(Evaluate(compiled, flow).allow, expected) << "seed " << seed << ": " << Describe(flow);
      ASSERT_EQ(MayBind(compiled, flow.protocol, flow.port), NaiveMayBind(selecting, flow.protocol, flow.port))
          << "seed " << seed;
      ++(expected ? allowed : denied);
    }
  }
  EXPECT_GT(allowed, 10'000);
  EXPECT_GT(denied, 10'000);
}

TEST(PolicyProperty, CompiledFormIsWellFormed) {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    World world(seed);
    const PolicySpec spec = world.AnyPolicy("p");
    BULKHEAD_TEST_ASSIGN(const CompiledPolicy compiled, CompilePolicy({&spec}, Baseline::kIsolate));
    for (size_t i = 1; i < compiled.prefixes.size(); ++i) {
      const auto& before = compiled.prefixes[i - 1];
      const auto& entry = compiled.prefixes[i];
      ASSERT_TRUE(std::tie(before.direction, before.prefix) < std::tie(entry.direction, entry.prefix)) << seed;
    }
    for (const PrefixEntry& entry : compiled.prefixes)
      ASSERT_TRUE(compiled.classes.contains({entry.direction, entry.class_id})) << seed;
    for (const auto& [key, intervals] : compiled.classes) {
      ASSERT_TRUE(std::is_sorted(intervals.begin(), intervals.end(), [](const auto& a, const auto& b) {
        return std::tie(a.protocol, a.low) < std::tie(b.protocol, b.low);
      }));
      for (const Interval& interval : intervals) ASSERT_LT(interval.rule, compiled.rule_names.size());
    }
  }
}

}  // namespace
}  // namespace bulkhead::test
