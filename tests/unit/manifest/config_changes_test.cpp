#include <gmock/gmock.h>

#include "agent/manifest/agent_config.h"
#include "agent/manifest/manifest.h"

namespace bulkhead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

AgentConfig Parse(const std::string& text) {
  const auto config = ParseConfig(text, "c.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? ToAgentConfig(*config) : DefaultAgentConfig();
}

// "+usage.interval": at reload; "!node.id": needs a restart.
std::vector<std::string> Changes(const std::string& from, const std::string& to) {
  std::vector<std::string> texts;
  for (const ConfigChange& change : ConfigChanges(Parse(from), Parse(to)))
    texts.push_back((change.reload ? "+" : "!") + change.field);
  return texts;
}

TEST(ConfigChanges, TheSameValuesAreNoChange) {
  EXPECT_THAT(Changes("", ""), IsEmpty());
  EXPECT_THAT(Changes("", "{log: {level: info}, controller: {tls: {}}}"), IsEmpty());
  EXPECT_THAT(Changes("usage: {interval: 1s}", "usage: {interval: 1000ms}"), IsEmpty());
}

TEST(ConfigChanges, SayWhatComesIntoForceAndWhatNeedsARestart) {
  EXPECT_THAT(Changes("", "{node: {id: n}, usage: {interval: 5s, spool_max: 1MiB}, log: {level: debug}}"),
              ElementsAre("!node.id", "+usage.interval", "+usage.spool_max", "+log.level"));
  EXPECT_THAT(Changes("paths: {state: /a, manifests: /b}", "paths: {bpffs: /c, socket: /d}"),
              ElementsAre("!paths.state", "!paths.socket", "!paths.bpffs", "!paths.manifests"));
  EXPECT_THAT(Changes("", "{cgroup: {root: x}, network: {baseline: deny}, listen: {read_group: r, admin_group: a}}"),
              ElementsAre("!cgroup.root", "!network.baseline", "+listen.read_group", "+listen.admin_group"));
}

TEST(ConfigChanges, AnOptionOfASectionHoldsForItsFields) {
  EXPECT_THAT(Changes("controller: {address: 'localhost:1'}",
                      "controller: {address: 'c:1', tls: {ca: /ca, cert: /cert, key: /key}}"),
              ElementsAre("+controller.address", "+controller.tls.ca", "+controller.tls.cert", "+controller.tls.key"));
}

TEST(AgentConfig, HasEveryFieldUnderItsName) {
  const AgentConfig config = Parse(
      "{node: {id: n}, paths: {state: /s, socket: /k, bpffs: /b, manifests: /m}, cgroup: {root: r}, "
      "network: {baseline: deny}, usage: {interval: 5s, spool_max: 2MiB}, listen: {read_group: g, admin_group: a}, "
      "controller: {address: 'c:1', tls: {ca: /ca, cert: /cert, key: /key}}, log: {level: debug}, "
      "metrics: {listen: '127.0.0.1:9105'}, reserve: {memory: 1GiB}}");
  EXPECT_EQ(config.node_id, "n");
  EXPECT_EQ(config.state_path, "/s");
  EXPECT_EQ(config.socket_path, "/k");
  EXPECT_EQ(config.bpffs_path, "/b");
  EXPECT_EQ(config.manifests_path, "/m");
  EXPECT_EQ(config.cgroup_root, "r");
  EXPECT_EQ(config.baseline, "deny");
  EXPECT_EQ(config.sampling_period, std::chrono::seconds(5));
  EXPECT_EQ(config.spool_max, 2U << 20);
  EXPECT_EQ(config.read_group, "g");
  EXPECT_EQ(config.admin_group, "a");
  EXPECT_EQ(config.controller, (ControllerTarget{"c:1", "/ca", "/cert", "/key"}));
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.metrics_listen, "127.0.0.1:9105");
  EXPECT_EQ(config.reserved_memory, uint64_t{1} << 30);
}

TEST(AgentConfig, WithoutMetricsIsTheSameButForThem) {
  const AgentConfig with = Parse("{node: {id: n}, metrics: {listen: '127.0.0.1:9105'}}");
  const AgentConfig without = WithoutMetrics(with);
  EXPECT_EQ(without.metrics_listen, "");
  ASSERT_EQ(ConfigChanges(without, with).size(), 1U);
  EXPECT_EQ(ConfigChanges(without, with)[0].field, "metrics.listen");
}

}  // namespace
}  // namespace bulkhead
