#include "agent/manifest/config_changes.h"

#include <gmock/gmock.h>

#include "agent/manifest/manifest.h"

namespace bulkhead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Config Parse(const std::string& text) {
  const auto config = ParseConfig(text, "c.yaml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : v1::Config();
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

}  // namespace
}  // namespace bulkhead
