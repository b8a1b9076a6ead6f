// Network policy as the operator wrote it, parsed. Semantics: an absent direction is not selected; a selected direction
// allows what its rules allow and nothing else; policies add up; both ends must allow.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/ids.h"
#include "agent/model/ip_prefix.h"

namespace bulkhead {

// What no policy selects falls to the node's baseline.
enum class Baseline : uint8_t {
  kIsolate,  // same tenant talks, other tenants' tasks do not, metadata services denied, the rest passes
  kDeny,     // nothing passes
  kAllow,    // everything passes but the metadata services
};

inline constexpr uint8_t kAnyProtocol = 0;  // IP protocol numbers otherwise: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6, 132 SCTP

// "tcp/80", "udp/8000-8009", "tcp". ICMP has no ports. Inclusive.
struct PortRange {
  uint8_t protocol = kAnyProtocol;
  uint16_t low = 0;
  uint16_t high = 65535;
  std::string ToString() const;
  auto operator<=>(const PortRange&) const = default;
};
Result<PortRange> ParsePortRange(const std::string& text);

// One kind of remote end.
struct Peer {
  enum class Kind : uint8_t { kSameTenant, kCidr } kind = Kind::kCidr;
  IpPrefix cidr;                 // kCidr; speaks for its own address family only
  std::vector<IpPrefix> except;  // kCidr; each inside cidr
  bool operator==(const Peer&) const = default;
};

// Allows (any of peers) × (any of ports); an empty list means any.
struct Rule {
  std::vector<Peer> peers;
  std::vector<PortRange> ports;
  bool operator==(const Rule&) const = default;
};

using Labels = std::map<std::string, std::string>;

struct PolicySpec {
  PolicyId id;
  Labels select;  // tasks of the policy's tenant that carry all of these; empty = all of them
  std::optional<std::vector<Rule>> ingress;
  std::optional<std::vector<Rule>> egress;
  std::optional<std::vector<PortRange>> bind;  // absent: any port may be bound
  bool operator==(const PolicySpec&) const = default;
};

bool Selects(const PolicySpec& policy, const std::string& tenant, const Labels& labels);

}  // namespace bulkhead
