#include <random>

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include "agent/manifest/manifest.h"

namespace bulkhead {
namespace {

using google::protobuf::util::MessageDifferencer;

TEST(ToYaml, ReadsLikeAManifest) {
  const std::string text = R"(kind: NetworkPolicy
tenant: acme
name: web
select:
  labels:
    app: web
ingress:
  - from:
      - tenant: same
      - cidr: 10.0.0.0/8
        except: [10.9.0.0/16]
    ports: [tcp/80, udp/8000-8009]
  - {}
egress: []
bind: [tcp/8080]
)";
  const auto objects = ParseManifest(text, "t.yaml");
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_EQ(ToYaml(objects->at(0)), text);
}

TEST(ToYaml, QuantitiesHaveUnits) {
  const auto objects = ParseManifest(
      "kind: Tenant\nname: \"no\"\nlimits: {cpu: {max: 0.5, weight: 7}, memory: {max: 268435456}, pids: {}}\n", "t");
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_EQ(ToYaml(objects->at(0)), R"(kind: Tenant
name: "no"
limits:
  cpu:
    max: 500m
    weight: 7
  memory:
    max: 256MiB
  pids: {}
)");
}

TEST(ToYaml, AnyApiMessageCanBeShown) {
  v1::GetNodeResponse node;
  node.set_ready(true);
  node.set_baseline(v1::NETWORK_BASELINE_ISOLATE);
  node.add_reasons("write memory.max: no: \"x\"\n");
  node.mutable_started_at()->set_seconds(0);
  v1::MapUse& map = *node.add_maps();
  map.set_name("tasks");
  map.set_used(3);
  EXPECT_EQ(ToYaml(static_cast<const google::protobuf::Message&>(node)), R"(baseline: isolate
ready: true
reasons: ["write memory.max: no: \"x\"\x0a"]
maps:
  - name: tasks
    used: 3
started_at: "1970-01-01T00:00:00Z"
)");
  EXPECT_EQ(ToYaml(v1::GetNodeRequest()), "{}\n");
}

TEST(ToYaml, TheConfigurationComesBack) {
  const auto config = ParseConfig(ToYaml(DefaultConfig()), "c.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(MessageDifferencer::Equals(*config, DefaultConfig()));
}

// Strings that a careless writer would let a reader take for something else.
const char* const kNasty[] = {"",     "true", "null",    "~",     "1.5",        "-",    "- a",        "a: b", "#x",
                              "x #y", "[a]",  "{a}",     "*a",    "&a",         "!a",   "'",          "\"",   "\\",
                              "a,b",  " a ",  "é",       "0x10",  "2026-01-31", "yes",  "<<",         "=",    "|",
                              ">",    "%a",   "@a",      "`",     "?",          "::/0", "10.0.0.0/8", "---",  "...",
                              "a:",   ":a",   "a\\x00b", "1_000", "1:30",       "kind"};

std::string Nasty(std::mt19937_64& random) { return kNasty[random() % std::size(kNasty)]; }

v1::Object RandomObject(std::mt19937_64& random) {
  v1::Object object;
  if (random() % 2) {
    v1::Task& task = *object.mutable_task();
    task.set_tenant("acme");
    task.set_name("n" + Nasty(random));
    for (size_t i = random() % 4; i > 0; --i) (*task.mutable_labels())[Nasty(random)] = Nasty(random);
    for (size_t i = random() % 3; i > 0; --i) task.add_addresses(Nasty(random));
    if (random() % 2) task.mutable_limits()->mutable_memory()->set_max(random() >> (random() % 64));
    if (random() % 2) task.mutable_limits()->mutable_cpu()->set_max(static_cast<double>(random() % 100'000) / 7);
    if (random() % 2) task.mutable_limits()->mutable_pids();
    return object;
  }
  v1::NetworkPolicy& policy = *object.mutable_network_policy();
  policy.set_tenant("acme");
  policy.set_name("n" + Nasty(random));
  if (random() % 2) (*policy.mutable_select()->mutable_labels())[Nasty(random)] = Nasty(random);
  if (random() % 2) policy.mutable_select();
  if (random() % 2) {
    policy.mutable_ingress();
    for (size_t i = random() % 3; i > 0; --i) {
      v1::IngressRule& rule = *policy.mutable_ingress()->add_rules();
      for (size_t j = random() % 3; j > 0; --j) {
        v1::Peer& peer = *rule.add_from();
        if (random() % 2) peer.set_cidr("c" + Nasty(random));
        for (size_t k = random() % 3; k > 0; --k) peer.add_except(Nasty(random));
      }
      for (size_t j = random() % 3; j > 0; --j) rule.add_ports(Nasty(random));
    }
  }
  if (random() % 2) policy.mutable_egress()->add_rules()->add_to();
  if (random() % 2) policy.mutable_bind()->add_ports(Nasty(random));
  return object;
}

TEST(ToYaml, RandomObjectsComeBackEqual) {
  std::mt19937_64 random(99);
  for (int round = 0; round < 2'000; ++round) {
    const v1::Object object = RandomObject(random);
    const std::string text = ToYaml(object);
    const auto back = ParseManifest(text, "t.yaml");
    ASSERT_TRUE(back.ok()) << back.status() << "\n" << text;
    ASSERT_EQ(back->size(), 1U) << text;
    ASSERT_TRUE(MessageDifferencer::Equals(back->at(0), object)) << text << object.DebugString();
  }
}

}  // namespace
}  // namespace bulkhead
