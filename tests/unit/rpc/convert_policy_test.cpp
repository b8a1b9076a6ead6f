#include <random>

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include "agent/rpc/convert.h"

namespace bulkhead {
namespace {

Result<ObjectSpec> Decode(const std::string& body) {
  v1::Object object;
  const std::string text = R"(network_policy {tenant: "acme" name: "web" )" + body + "}";
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &object)) << text;
  return DecodeObject(object);
}

std::string ErrorOf(const std::string& body) {
  const auto spec = Decode(body);
  if (spec.ok()) return "(accepted)";
  EXPECT_EQ(spec.status().code(), StatusCode::kInvalidArgument);
  return Message(spec.status());
}

TEST(DecodePolicy, AbsentEmptyAndOpenDirectionsStayDifferent) {
  const auto policy = std::get<PolicySpec>(*Decode("ingress {} egress {rules {}}"));
  ASSERT_TRUE(policy.ingress.has_value());
  EXPECT_TRUE(policy.ingress->empty());
  ASSERT_TRUE(policy.egress.has_value());
  EXPECT_EQ(*policy.egress, (std::vector<Rule>{Rule{}}));
  EXPECT_FALSE(policy.bind.has_value());
  EXPECT_TRUE(std::get<PolicySpec>(*Decode("bind {}")).bind->empty());
}

TEST(DecodePolicy, PeersAndPortsAreParsed) {
  const auto spec = Decode(R"(select {labels {key: "app" value: "web"}}
    ingress {rules {from {tenant: "same"} from {cidr: "10.0.0.0/8" except: "10.9.0.0/16"} ports: "tcp/8000-8009"}}
    bind {ports: "tcp/8080"})");
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto& policy = std::get<PolicySpec>(*spec);
  EXPECT_EQ(policy.select, (Labels{{"app", "web"}}));
  const Rule& rule = policy.ingress->at(0);
  ASSERT_EQ(rule.peers.size(), 2U);
  EXPECT_EQ(rule.peers[0].kind, Peer::Kind::kSameTenant);
  EXPECT_EQ(rule.peers[1].cidr.ToString(), "10.0.0.0/8");
  EXPECT_EQ(rule.peers[1].except.at(0).ToString(), "10.9.0.0/16");
  EXPECT_EQ(rule.ports, (std::vector<PortRange>{{6, 8000, 8009}}));
  EXPECT_EQ(*policy.bind, (std::vector<PortRange>{{6, 8080, 8080}}));
}

TEST(DecodePolicy, BadPeersNameTheirPlace) {
  EXPECT_EQ(ErrorOf(R"(ingress {rules {from {tenant: "same"} from {tenant: "globex"}}})"),
            "policy acme/web: ingress[0].from[1].tenant: \"globex\" is not supported: write same, or a cidr");
  EXPECT_EQ(ErrorOf("egress {rules {} rules {to {}}}"),
            "policy acme/web: egress[1].to[0]: empty peer: write tenant: same, or a cidr");
  EXPECT_EQ(ErrorOf(R"(egress {rules {to {tenant: "same" cidr: "10.0.0.0/8"}}})"),
            "policy acme/web: egress[0].to[0]: tenant and cidr are set: use one peer for each");
  EXPECT_EQ(ErrorOf(R"(egress {rules {to {tenant: "same" except: "10.0.0.0/8"}}})"),
            "policy acme/web: egress[0].to[0].except: needs a cidr to make holes in");
  EXPECT_EQ(ErrorOf(R"(ingress {rules {from {cidr: "10.0.0.1/8"}}})"),
            "policy acme/web: ingress[0].from[0].cidr: \"10.0.0.1/8\" has host bits set: write 10.0.0.0/8 or "
            "10.0.0.1/32");
  EXPECT_EQ(ErrorOf(R"(ingress {rules {from {cidr: "10.0.0.0/33"}}})"),
            "policy acme/web: ingress[0].from[0].cidr: \"10.0.0.0/33\": the prefix length must be 0 to 32");
  EXPECT_EQ(ErrorOf(R"(ingress {rules {from {cidr: "10.0.0.0/8" except: "11.0.0.0/16"}}})"),
            "policy acme/web: ingress[0].from[0].except[0]: 11.0.0.0/16 does not lie inside 10.0.0.0/8");
  EXPECT_EQ(ErrorOf(R"(ingress {rules {from {cidr: "10.0.0.0/8" except: "fd00::/16"}}})"),
            "policy acme/web: ingress[0].from[0].except[0]: fd00::/16 does not lie inside 10.0.0.0/8");
  EXPECT_EQ(ErrorOf(R"(ingress {rules {from {cidr: "10.0.0.0/8" except: "10.0.0.0/8"}}})"),
            "policy acme/web: ingress[0].from[0].except[0]: 10.0.0.0/8 does not lie inside 10.0.0.0/8");
}

TEST(DecodePolicy, BadPortsNameTheirPlace) {
  const std::string advice =
      " is not a port: write tcp/80, udp/8000-8009, sctp/9, or a protocol alone (tcp, udp, sctp, icmp, icmpv6)";
  for (const char* port : {"http", "tcp/0x50", "tcp/80-79", "tcp/65536", "icmp/8", "tcp/", "tcp/-1", "", "TCP/80"})
    EXPECT_EQ(ErrorOf(std::string(R"(ingress {rules {ports: "tcp" ports: ")") + port + "\"}}"),
              "policy acme/web: ingress[0].ports[1]: \"" + std::string(port) + "\"" + advice);
  EXPECT_EQ(ErrorOf(R"(bind {ports: "icmp"})"),
            "policy acme/web: bind[0]: \"icmp\" has no ports to bind: use tcp, udp or sctp");
}

TEST(DecodePolicy, SelectorsFollowTheRulesOfLabels) {
  EXPECT_EQ(ErrorOf(R"(select {labels {key: "a b" value: "c"}})"),
            "policy acme/web: select.labels: \"a b\" is not a label key: use 1 to 63 letters, digits, '.', '_', '-' "
            "and '/', with a letter or digit first and last");
}

IpPrefix RandomPrefix(std::mt19937_64& random) {
  const bool v6 = random() % 2 == 0;
  std::string text = v6 ? "fd00::" : "0.0.0.0";
  if (!v6) text = std::to_string(random() % 256) + "." + std::to_string(random() % 256) + ".0.0";
  return *ParsePrefix(text + (v6 ? "/" + std::to_string(8 + random() % 121) : "/16"));
}

std::vector<Rule> RandomRules(std::mt19937_64& random) {
  std::vector<Rule> rules(random() % 4);
  for (Rule& rule : rules) {
    for (size_t i = random() % 3; i > 0; --i) {
      Peer peer;
      peer.kind = random() % 2 ? Peer::Kind::kSameTenant : Peer::Kind::kCidr;
      if (peer.kind == Peer::Kind::kCidr) {
        peer.cidr = RandomPrefix(random);
        IpPrefix hole{peer.cidr.address, static_cast<uint8_t>(peer.cidr.address.family == Family::kV4 ? 32 : 128)};
        if (hole != peer.cidr && random() % 2) peer.except.push_back(hole);
      }
      rule.peers.push_back(peer);
    }
    const uint8_t protocols[] = {6, 17, 132};
    for (size_t i = random() % 3; i > 0; --i) {
      const auto low = static_cast<uint16_t>(random() % 60000);
      rule.ports.push_back({protocols[random() % 3], low, static_cast<uint16_t>(low + random() % 5000)});
    }
    if (random() % 4 == 0) rule.ports.push_back({58, 0, 65535});
  }
  return rules;
}

TEST(EncodePolicy, RandomPoliciesComeBackUnchanged) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 2'000; ++round) {
    PolicySpec policy{{"acme", "p" + std::to_string(round)}, {}, {}, {}, {}};
    if (random() % 2) policy.select["app"] = "web";
    if (random() % 2) policy.ingress = RandomRules(random);
    if (random() % 2) policy.egress = RandomRules(random);
    if (random() % 2) policy.bind = std::vector<PortRange>{{6, 80, 80}, {17, 0, 65535}};
    const auto back = DecodeSpec(EncodeSpec(policy));
    ASSERT_TRUE(back.ok()) << back.status() << EncodePolicy(policy).DebugString();
    ASSERT_EQ(*back, ObjectSpec(policy)) << EncodePolicy(policy).DebugString();
  }
}

TEST(ParseBaseline, KnowsThreeAndNamesTheField) {
  EXPECT_EQ(*ParseBaseline("isolate"), Baseline::kIsolate);
  EXPECT_EQ(*ParseBaseline("deny"), Baseline::kDeny);
  EXPECT_EQ(*ParseBaseline("allow"), Baseline::kAllow);
  EXPECT_EQ(Message(ParseBaseline("open").status()),
            "network.baseline: \"open\" is not a baseline: use isolate, deny or allow");
  EXPECT_EQ(EncodeBaseline(Baseline::kDeny), v1::NETWORK_BASELINE_DENY);
}

}  // namespace
}  // namespace bulkhead
