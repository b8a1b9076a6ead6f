// IPv4 and IPv6 addresses and prefixes, as plain values in network byte order.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "agent/base/status.h"

namespace bulkhead {

enum class Family : uint8_t { kV4 = 4, kV6 = 6 };

struct IpAddress {
  Family family = Family::kV4;
  std::array<uint8_t, 16> bytes{};  // an IPv4 address is bytes[0..3], the rest zero
  std::string ToString() const;
  auto operator<=>(const IpAddress&) const = default;
};

// "10.1.2.3", "fd00::1". A v4-mapped IPv6 address (::ffff:a.b.c.d) becomes the IPv4 address that it means on the wire.
Result<IpAddress> ParseAddress(const std::string& text);

struct IpPrefix {
  IpAddress address;   // host bits zero
  uint8_t length = 0;  // 0..32 or 0..128
  bool Contains(const IpAddress& other) const;
  bool Contains(const IpPrefix& other) const;  // other is inside or equal
  std::string ToString() const;
  auto operator<=>(const IpPrefix&) const = default;
};

// "10.0.0.0/8", "fd00::/8"; a bare address is a whole-length prefix. Host bits that are set are an error: they are
// nearly always a typing mistake that would widen a rule.
Result<IpPrefix> ParsePrefix(const std::string& text);

}  // namespace bulkhead
