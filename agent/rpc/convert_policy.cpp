#include <fmt/format.h>
#include <google/protobuf/repeated_ptr_field.h>

#include "agent/rpc/convert.h"
#include "agent/rpc/convert_parts.h"

namespace bulkhead {
namespace {

template <typename T>
using Repeated = google::protobuf::RepeatedPtrField<T>;

Result<IpPrefix> DecodePrefix(const std::string& text, const std::string& field) {
  if (text.find('\0') != std::string::npos)  // the C parser below would stop there
    return InvalidArgument(fmt::format("{}: \"{}\" is not an IP prefix", field, Printable(text)));
  auto prefix = ParsePrefix(text);
  if (!prefix.ok()) return InvalidArgument(fmt::format("{}: {}", field, Message(prefix.status())));
  return prefix;
}

Result<Peer> DecodeCidrPeer(const v1::Peer& peer, const std::string& field) {
  Peer decoded;
  BULKHEAD_ASSIGN(decoded.cidr, DecodePrefix(peer.cidr(), field + ".cidr"));
  for (int i = 0; i < peer.except_size(); ++i) {
    const std::string path = fmt::format("{}.except[{}]", field, i);
    BULKHEAD_ASSIGN(const IpPrefix hole, DecodePrefix(peer.except(i), path));
    if (!decoded.cidr.Contains(hole) || hole == decoded.cidr)
      return InvalidArgument(
          fmt::format("{}: {} does not lie inside {}", path, hole.ToString(), decoded.cidr.ToString()));
    decoded.except.push_back(hole);
  }
  return decoded;
}

Result<Peer> DecodePeer(const v1::Peer& peer, const std::string& field) {
  if (!peer.tenant().empty() && !peer.cidr().empty())
    return InvalidArgument(field + ": tenant and cidr are set: use one peer for each");
  if (!peer.cidr().empty()) return DecodeCidrPeer(peer, field);
  if (peer.except_size() > 0) return InvalidArgument(field + ".except: needs a cidr to make holes in");
  if (peer.tenant().empty()) return InvalidArgument(field + ": empty peer: write tenant: same, or a cidr");
  if (peer.tenant() != "same")
    return InvalidArgument(
        fmt::format("{}.tenant: \"{}\" is not supported: write same, or a cidr", field, Printable(peer.tenant())));
  return Peer{Peer::Kind::kSameTenant, {}, {}};
}

Result<std::vector<PortRange>> DecodePorts(const Repeated<std::string>& ports, const std::string& field, bool bind) {
  std::vector<PortRange> decoded;
  for (int i = 0; i < ports.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", field, i);
    auto range = ParsePortRange(ports[i]);
    if (!range.ok())
      return InvalidArgument(fmt::format(
          "{}: {}", path, Printable(ports[i]) == ports[i] ? Message(range.status()) : "not a port: write tcp/80"));
    if (bind && (range->protocol == 1 || range->protocol == 58))
      return InvalidArgument(
          fmt::format("{}: \"{}\" has no ports to bind: use tcp, udp or sctp", path, range->ToString()));
    decoded.push_back(*range);
  }
  return decoded;
}

Result<Rule> DecodeRule(const Repeated<v1::Peer>& peers, const Repeated<std::string>& ports, const std::string& field,
                        const char* peer_field) {
  Rule rule;
  for (int i = 0; i < peers.size(); ++i) {
    BULKHEAD_ASSIGN(Peer peer, DecodePeer(peers[i], fmt::format("{}.{}[{}]", field, peer_field, i)));
    rule.peers.push_back(std::move(peer));
  }
  BULKHEAD_ASSIGN(rule.ports, DecodePorts(ports, field + ".ports", false));
  return rule;
}

void EncodePeers(const Rule& rule, Repeated<v1::Peer>& out) {
  for (const Peer& peer : rule.peers) {
    v1::Peer& encoded = *out.Add();
    if (peer.kind == Peer::Kind::kSameTenant) {
      encoded.set_tenant("same");
      continue;
    }
    encoded.set_cidr(peer.cidr.ToString());
    for (const IpPrefix& hole : peer.except) encoded.add_except(hole.ToString());
  }
}

void EncodePorts(const std::vector<PortRange>& ports, Repeated<std::string>& out) {
  for (const PortRange& range : ports) *out.Add() = range.ToString();
}

}  // namespace

Result<PolicySpec> DecodePolicy(const v1::NetworkPolicy& policy) {
  PolicySpec spec;
  spec.id = {policy.tenant(), policy.name()};
  BULKHEAD_RETURN_IF_ERROR(ValidateName(spec.id.tenant, "tenant"));
  BULKHEAD_RETURN_IF_ERROR(ValidateName(spec.id.name, "name"));
  BULKHEAD_ASSIGN(spec.select, DecodeLabels(policy.select().labels(), "select.labels"));
  if (policy.has_ingress()) {
    spec.ingress.emplace();
    for (int i = 0; i < policy.ingress().rules_size(); ++i) {
      const v1::IngressRule& rule = policy.ingress().rules(i);
      BULKHEAD_ASSIGN(Rule decoded, DecodeRule(rule.from(), rule.ports(), fmt::format("ingress[{}]", i), "from"));
      spec.ingress->push_back(std::move(decoded));
    }
  }
  if (policy.has_egress()) {
    spec.egress.emplace();
    for (int i = 0; i < policy.egress().rules_size(); ++i) {
      const v1::EgressRule& rule = policy.egress().rules(i);
      BULKHEAD_ASSIGN(Rule decoded, DecodeRule(rule.to(), rule.ports(), fmt::format("egress[{}]", i), "to"));
      spec.egress->push_back(std::move(decoded));
    }
  }
  if (policy.has_bind()) {
    BULKHEAD_ASSIGN(spec.bind, DecodePorts(policy.bind().ports(), "bind", true));
  }
  return spec;
}

v1::NetworkPolicy EncodePolicy(const PolicySpec& spec) {
  v1::NetworkPolicy policy;
  policy.set_tenant(spec.id.tenant);
  policy.set_name(spec.id.name);
  if (!spec.select.empty()) EncodeLabels(spec.select, *policy.mutable_select()->mutable_labels());
  if (spec.ingress) {
    policy.mutable_ingress();
    for (const Rule& rule : *spec.ingress) {
      v1::IngressRule& encoded = *policy.mutable_ingress()->add_rules();
      EncodePeers(rule, *encoded.mutable_from());
      EncodePorts(rule.ports, *encoded.mutable_ports());
    }
  }
  if (spec.egress) {
    policy.mutable_egress();
    for (const Rule& rule : *spec.egress) {
      v1::EgressRule& encoded = *policy.mutable_egress()->add_rules();
      EncodePeers(rule, *encoded.mutable_to());
      EncodePorts(rule.ports, *encoded.mutable_ports());
    }
  }
  if (spec.bind) EncodePorts(*spec.bind, *policy.mutable_bind()->mutable_ports());
  return policy;
}

Result<Baseline> ParseBaseline(const std::string& text) {
  if (text == "isolate") return Baseline::kIsolate;
  if (text == "deny") return Baseline::kDeny;
  if (text == "allow") return Baseline::kAllow;
  return InvalidArgument(
      fmt::format("network.baseline: \"{}\" is not a baseline: use isolate, deny or allow", Printable(text)));
}

v1::NetworkBaseline EncodeBaseline(Baseline baseline) {
  switch (baseline) {
    case Baseline::kIsolate:
      return v1::NETWORK_BASELINE_ISOLATE;
    case Baseline::kDeny:
      return v1::NETWORK_BASELINE_DENY;
    case Baseline::kAllow:
      return v1::NETWORK_BASELINE_ALLOW;
  }
  return v1::NETWORK_BASELINE_UNSPECIFIED;
}

}  // namespace bulkhead
