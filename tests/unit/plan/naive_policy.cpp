#include "tests/unit/plan/naive_policy.h"

#include <algorithm>

#include "tests/support/builders.h"

namespace bulkhead::test {
namespace {

bool IsMetadata(const Flow& flow) {
  return flow.direction == Direction::kEgress &&
         (flow.address == Address("169.254.169.254") || flow.address == Address("fd00:ec2::254"));
}

bool Speaks(const Peer& peer, const Flow& flow) {
  if (peer.kind == Peer::Kind::kSameTenant) return flow.remote == Remote::kSameTenant;
  if (!peer.cidr.Contains(flow.address)) return false;
  if (IsMetadata(flow) && peer.cidr.length != (flow.address.family == Family::kV4 ? 32 : 128)) return false;
  return std::none_of(peer.except.begin(), peer.except.end(),
                      [&](const IpPrefix& hole) { return hole.Contains(flow.address); });
}

bool Covers(const std::vector<PortRange>& ports, uint8_t protocol, uint16_t port) {
  return std::any_of(ports.begin(), ports.end(), [&](const PortRange& range) {
    return (range.protocol == kAnyProtocol || range.protocol == protocol) && range.low <= port && port <= range.high;
  });
}

bool Allows(const Rule& rule, const Flow& flow) {
  if (!rule.ports.empty() && !Covers(rule.ports, flow.protocol, flow.port)) return false;
  if (rule.peers.empty()) return flow.remote != Remote::kNoTask || !IsMetadata(flow);
  return std::any_of(rule.peers.begin(), rule.peers.end(), [&](const Peer& peer) { return Speaks(peer, flow); });
}

}  // namespace

bool NaiveAllows(const std::vector<const PolicySpec*>& selecting, Baseline baseline, const Flow& flow) {
  bool selected = false;
  for (const PolicySpec* policy : selecting) {
    const auto& rules = flow.direction == Direction::kIngress ? policy->ingress : policy->egress;
    if (!rules) continue;
    selected = true;
    for (const Rule& rule : *rules)
      if (Allows(rule, flow)) return true;
  }
  if (selected || baseline == Baseline::kDeny) return false;
  if (flow.remote == Remote::kSameTenant) return true;
  if (flow.remote == Remote::kOtherTenant) return baseline == Baseline::kAllow;
  return !IsMetadata(flow);
}

bool NaiveMayBind(const std::vector<const PolicySpec*>& selecting, uint8_t protocol, uint16_t port) {
  bool restricted = false;
  for (const PolicySpec* policy : selecting) {
    if (!policy->bind) continue;
    restricted = true;
    if (Covers(*policy->bind, protocol, port)) return true;
  }
  return !restricted;
}

}  // namespace bulkhead::test
