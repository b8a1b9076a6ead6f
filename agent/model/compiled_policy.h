// A network policy in the form that the data plane evaluates (bpf/lib/verdict.h). Equal contents are one policy in the
// kernel, however many tasks use it.
//
// Verdict of a flow, one direction: the peer's identity class is looked up first (same tenant, other tenant's task, or
// none); if an interval of that class matches protocol and port, it decides. Otherwise the most specific prefix that
// covers the remote address names a class, and the first matching interval of that class decides. Otherwise deny.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/model/ip_prefix.h"

namespace bulkhead {

enum class Direction : uint8_t { kIngress = 0, kEgress = 1, kBind = 2 };  // same numbers as bpf/abi/policy.h

// Classes below kFirstPrefixClass are identities; the others are sets of rules that prefixes refer to.
inline constexpr uint32_t kClassSameTenant = 1;
inline constexpr uint32_t kClassOtherTenant = 2;
// Direction kBind has this one class. Present = bind(2) is restricted, to nothing when it is empty; absent = any port.
inline constexpr uint32_t kClassBind = 3;
inline constexpr uint32_t kFirstPrefixClass = 16;

struct Interval {
  uint8_t protocol = 0;  // 0 = any
  bool allow = false;
  uint16_t low = 0;
  uint16_t high = 65535;
  // Which rule this came from: index into CompiledPolicy::rule_names; 0 is the baseline.
  uint32_t rule = 0;
  auto operator<=>(const Interval&) const = default;
};

struct ClassKey {
  Direction direction = Direction::kIngress;
  uint32_t id = 0;
  auto operator<=>(const ClassKey&) const = default;
};

struct PrefixEntry {
  Direction direction = Direction::kIngress;
  IpPrefix prefix;
  uint32_t class_id = 0;
  auto operator<=>(const PrefixEntry&) const = default;
};

struct CompiledPolicy {
  std::map<ClassKey, std::vector<Interval>> classes;  // intervals in order; the first match decides
  std::vector<PrefixEntry> prefixes;                  // sorted, unique per (direction, prefix)
  std::vector<std::string> rule_names;                // [0] = "baseline isolate"; else "acme/web egress[0]"
  bool operator==(const CompiledPolicy&) const = default;

  using Hash = std::array<uint64_t, 2>;
  Hash ContentHash() const;  // XXH3-128 over classes and prefixes; the same in every process and build
};

}  // namespace bulkhead
