#include "tests/support/builders.h"

#include <cstdio>
#include <cstdlib>

namespace bulkhead::test {
namespace {

template <typename T>
T Must(Result<T> result) {
  if (result.ok()) return *std::move(result);
  std::fprintf(stderr, "test builder: %s\n", Message(result.status()).c_str());
  std::abort();
}

}  // namespace

IpAddress Address(const std::string& text) { return Must(ParseAddress(text)); }
IpPrefix Prefix(const std::string& text) { return Must(ParsePrefix(text)); }
PortRange Port(const std::string& text) { return Must(ParsePortRange(text)); }
IndexSet Set(const std::string& text) { return Must(IndexSet::Parse(text)); }

Peer Same() { return Peer{.kind = Peer::Kind::kSameTenant}; }

Peer Cidr(const std::string& cidr, const std::vector<std::string>& except) {
  Peer peer{.kind = Peer::Kind::kCidr, .cidr = Prefix(cidr)};
  for (const std::string& hole : except) peer.except.push_back(Prefix(hole));
  return peer;
}

Rule Allow(const std::vector<Peer>& peers, const std::vector<std::string>& ports) {
  Rule rule{.peers = peers};
  for (const std::string& port : ports) rule.ports.push_back(Port(port));
  return rule;
}

Policy& Policy::Bind(const std::vector<std::string>& ports) {
  spec_.bind.emplace();
  for (const std::string& port : ports) spec_.bind->push_back(Port(port));
  return *this;
}

}  // namespace bulkhead::test
