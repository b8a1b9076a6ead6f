#include "agent/model/ip_prefix.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

constexpr std::array<uint8_t, 12> kV4Mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

IpAddress Masked(const IpAddress& address, unsigned length) {
  IpAddress masked = address;
  for (unsigned byte = 0; byte < 16; ++byte) {
    const unsigned keep = length > byte * 8 ? std::min(8U, length - byte * 8) : 0;
    masked.bytes[byte] = static_cast<uint8_t>(masked.bytes[byte] & (0xff00U >> keep));
  }
  return masked;
}

}  // namespace

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  ::inet_ntop(family == Family::kV4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
  return text;
}

Result<IpAddress> ParseAddress(const std::string& text) {
  IpAddress address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) return address;
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) != 1)
    return InvalidArgument(fmt::format("\"{}\" is not an IP address", text));
  address.family = Family::kV6;
  if (std::equal(kV4Mapped.begin(), kV4Mapped.end(), address.bytes.begin())) {
    IpAddress v4;
    std::copy_n(address.bytes.begin() + 12, 4, v4.bytes.begin());
    return v4;
  }
  return address;
}

bool IpPrefix::Contains(const IpAddress& other) const {
  return other.family == address.family && Masked(other, length) == address;
}

bool IpPrefix::Contains(const IpPrefix& other) const { return other.length >= length && Contains(other.address); }

std::string IpPrefix::ToString() const { return fmt::format("{}/{}", address.ToString(), length); }

Result<IpPrefix> ParsePrefix(const std::string& text) {
  const auto slash = text.find('/');
  BULKHEAD_ASSIGN(const IpAddress address, ParseAddress(text.substr(0, slash)));
  const unsigned full = address.family == Family::kV4 ? 32 : 128;
  unsigned long long length = full;
  if (slash != std::string::npos) {
    if (address.family == Family::kV4 && text.find(':') != std::string::npos)
      return InvalidArgument(fmt::format("\"{}\": write an IPv4 prefix in IPv4 form", text));
    auto parsed = ParseUnsigned(text.substr(slash + 1));
    if (!parsed.ok() || *parsed > full)
      return InvalidArgument(fmt::format("\"{}\": the prefix length must be 0 to {}", text, full));
    length = *parsed;
  }
  IpPrefix prefix{Masked(address, static_cast<unsigned>(length)), static_cast<uint8_t>(length)};
  if (prefix.address != address)
    return InvalidArgument(
        fmt::format("\"{}\" has host bits set: write {} or {}/{}", text, prefix.ToString(), address.ToString(), full));
  return prefix;
}

}  // namespace bulkhead
