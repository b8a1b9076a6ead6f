#include "agent/model/network_policy.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

struct Protocol {
  const char* name;
  uint8_t number;
  bool has_ports;
};
constexpr Protocol kProtocols[] = {
    {"tcp", 6, true}, {"udp", 17, true}, {"sctp", 132, true}, {"icmp", 1, false}, {"icmpv6", 58, false}};

}  // namespace

std::string PortRange::ToString() const {
  if (protocol == kAnyProtocol) return "any";
  std::string name = std::to_string(protocol);
  for (const Protocol& known : kProtocols)
    if (known.number == protocol) name = known.name;
  if (low == 0 && high == 65535) return name;
  return low == high ? fmt::format("{}/{}", name, low) : fmt::format("{}/{}-{}", name, low, high);
}

Result<PortRange> ParsePortRange(const std::string& text) {
  const auto bad = [&] {
    return InvalidArgument(fmt::format(
        "\"{}\" is not a port: write tcp/80, udp/8000-8009, sctp/9, or a protocol alone (tcp, udp, sctp, icmp, icmpv6)",
        text));
  };
  const auto slash = text.find('/');
  const std::string name = text.substr(0, slash);
  const auto* known = std::find_if(std::begin(kProtocols), std::end(kProtocols),
                                   [&](const Protocol& protocol) { return name == protocol.name; });
  if (known == std::end(kProtocols)) return bad();
  PortRange range{known->number, 0, 65535};
  if (slash == std::string::npos) return range;
  if (!known->has_ports) return bad();
  const std::string ports = text.substr(slash + 1);
  const auto dash = ports.find('-');
  const auto low = ParseUnsigned(ports.substr(0, dash));
  const auto high = dash == std::string::npos ? low : ParseUnsigned(ports.substr(dash + 1));
  if (!low.ok() || !high.ok() || *low > *high || *high > 65535) return bad();
  range.low = static_cast<uint16_t>(*low);
  range.high = static_cast<uint16_t>(*high);
  return range;
}

bool Selects(const PolicySpec& policy, const std::string& tenant, const Labels& labels) {
  if (policy.id.tenant != tenant) return false;
  return std::all_of(policy.select.begin(), policy.select.end(), [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

}  // namespace bulkhead
