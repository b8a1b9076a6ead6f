#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include "agent/manifest/manifest.h"

namespace bulkhead {
namespace {

using google::protobuf::util::MessageDifferencer;

std::string ErrorOf(const std::string& text) {
  const auto config = ParseConfig(text, "c.yaml");
  if (config.ok()) return "(accepted)";
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
  return Message(config.status());
}

TEST(ParseConfig, EmptyTextIsTheDefault) {
  for (const char* text : {"", "\n", "# nothing\n", "---\n", "{}"}) {
    const auto config = ParseConfig(text, "c.yaml");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_TRUE(MessageDifferencer::Equals(*config, DefaultConfig())) << config->DebugString();
  }
  EXPECT_EQ(DefaultConfig().paths().socket(), "/run/bulkhead/bulkheadd.sock");
  EXPECT_EQ(DefaultConfig().usage().interval().seconds(), 1);
  EXPECT_EQ(DefaultConfig().usage().spool_max(), 256U << 20);
}

TEST(ParseConfig, GivenFieldsReplaceDefaultsAndTheRestStays) {
  const auto config = ParseConfig("usage: {interval: 250ms}\npaths: {state: /tmp/x}\n", "c.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->usage().interval().nanos(), 250'000'000);
  EXPECT_EQ(config->usage().interval().seconds(), 0);
  EXPECT_EQ(config->usage().spool_max(), 256U << 20);
  EXPECT_EQ(config->paths().state(), "/tmp/x");
  EXPECT_EQ(config->paths().bpffs(), "/sys/fs/bpf/bulkhead");
}

TEST(ParseConfig, TheExampleIsTheDefault) {
  const auto config = LoadConfig(BULKHEAD_EXAMPLES "/bulkheadd.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  v1::Config expected = DefaultConfig();
  expected.mutable_controller()->mutable_tls();
  EXPECT_TRUE(MessageDifferencer::Equals(*config, expected)) << config->DebugString();
}

TEST(ParseConfig, BadValuesNameFileLineAndField) {
  EXPECT_EQ(ErrorOf("\nnetwork:\n  baseline: open\n"),
            "c.yaml:3: network.baseline: \"open\" is not known: use one of isolate, deny, allow");
  EXPECT_EQ(ErrorOf("usage: {interval: 99ms}"), "c.yaml:1: usage.interval: out of range, use 100ms to 1h");
  EXPECT_EQ(ErrorOf("usage: {interval: 0}"), "c.yaml:1: usage.interval: out of range, use 100ms to 1h");
  EXPECT_EQ(ErrorOf("usage: {interval: 2h}"), "c.yaml:1: usage.interval: out of range, use 100ms to 1h");
  EXPECT_EQ(ErrorOf("usage: {interval: soon}"),
            "c.yaml:1: usage.interval: \"soon\" is not a duration: use 10ms, 5s, 1h30m");
  EXPECT_EQ(ErrorOf("usage: {spool_max: 1023KiB}"), "c.yaml:1: usage.spool_max: out of range, use 1MiB or more");
  EXPECT_EQ(ErrorOf("log: {level: verbose}"),
            "c.yaml:1: log.level: \"verbose\" is not known: use one of debug, info, warning, error");
  EXPECT_EQ(ErrorOf("paths: {state: var/lib}"),
            "c.yaml:1: paths.state: \"var/lib\" is not an absolute path without . and ..");
  EXPECT_EQ(ErrorOf("paths: {bpffs: /sys/../etc}"),
            "c.yaml:1: paths.bpffs: \"/sys/../etc\" is not an absolute path without . and ..");
  EXPECT_EQ(ErrorOf("paths: {manifests: \"\"}"),
            "c.yaml:1: paths.manifests: \"\" is not an absolute path without . and ..");
  EXPECT_EQ(ErrorOf("paths: {socket: /" + std::string(107, 's') + "}"),
            "c.yaml:1: paths.socket: 108 bytes long, the kernel takes 107 at most");
  EXPECT_EQ(ErrorOf("node: {id: a b}"),
            "c.yaml:1: node.id: \"a b\" is not a node id: use up to 253 letters, digits, '.', '_' and '-'");
  EXPECT_EQ(ErrorOf("listen: {read_group: 1st}"), "c.yaml:1: listen.read_group: \"1st\" is not a group name");
  EXPECT_EQ(ErrorOf("listen: {admin_group: \"\"}"), "c.yaml:1: listen.admin_group: \"\" is not a group name");
  for (const char* root : {"/", "..", "a/../b", "/abs", "", "a//b"})
    EXPECT_EQ(ErrorOf(std::string("cgroup: {root: \"") + root + "\"}"),
              std::string("c.yaml:1: cgroup.root: \"") + root +
                  "\" is not a cgroup below the top: use auto, or a name like bulkhead");
}

TEST(ParseConfig, MetricsStayOnThisHost) {
  for (const char* good : {"unix:///run/bulkhead/metrics.sock", "127.0.0.1:9105", "127.1.2.3:1", "[::1]:9105"})
    EXPECT_EQ(ErrorOf(std::string("metrics: {listen: \"") + good + "\"}"), "(accepted)") << good;
  for (const char* bad : {"0.0.0.0:9105", "10.0.0.1:9105", "[::]:9105", "localhost:9105", "127.evil.example:9105"})
    EXPECT_THAT(ErrorOf(std::string("metrics: {listen: \"") + bad + "\"}"),
                ::testing::StartsWith(std::string("c.yaml:1: metrics.listen: ") + bad + " is no loopback address"));
  for (const char* bad : {":9105", "9105", "127.0.0.1:0", "unix:run/x", "http://127.0.0.1:9105"})
    EXPECT_THAT(ErrorOf(std::string("metrics: {listen: \"") + bad + "\"}"), ::testing::HasSubstr("is not an address"));
  EXPECT_EQ(ErrorOf("metrics: {listen: \"unix:///run/bulkhead/bulkheadd.sock\"}"),
            "c.yaml:1: metrics.listen: unix:///run/bulkhead/bulkheadd.sock is paths.socket already");
}

TEST(ParseConfig, UnknownFieldsSuggestTheNearest) {
  EXPECT_EQ(ErrorOf("network:\n  basline: deny\n"),
            "c.yaml:2: network.basline: unknown field; did you mean \"baseline\"?");
  EXPECT_EQ(ErrorOf("quantum: 1"),
            "c.yaml:1: quantum: unknown field; use one of node, paths, cgroup, network, usage, controller, listen, "
            "log, metrics, reserve");
}

TEST(ParseConfig, EverythingThatIsWrongIsReportedTogether) {
  EXPECT_EQ(ErrorOf("log:\n  level: x\nnetwork:\n  baseline: y\n"),
            "c.yaml:4: network.baseline: \"y\" is not known: use one of isolate, deny, allow\n"
            "c.yaml:2: log.level: \"x\" is not known: use one of debug, info, warning, error");
}

TEST(ParseConfig, ARemoteControllerNeedsTls) {
  EXPECT_EQ(
      ErrorOf("controller:\n  address: ctl.example:7443\n"),
      "c.yaml:1: controller.tls: missing: ctl.example:7443 is not on this host; only a loopback address or a unix "
      "socket goes without ca, cert and key");
  EXPECT_THAT(ErrorOf("controller: {address: \"127.evil.example:1\"}"), testing::HasSubstr("is not on this host"));
  EXPECT_THAT(ErrorOf("controller: {address: \"[fd00::1]:7443\"}"), testing::HasSubstr("is not on this host"));
  for (const char* address : {"127.0.0.1:7443", "localhost:1", "[::1]:65535", "unix:///run/ctl.sock"})
    EXPECT_EQ(ErrorOf(std::string("controller: {address: \"") + address + "\"}"), "(accepted)");
  EXPECT_EQ(ErrorOf("controller: {address: \"ctl.example:7443\", tls: {ca: /a, cert: /b, key: /c}}"), "(accepted)");
}

TEST(ParseConfig, TlsIsAllOrNothing) {
  EXPECT_EQ(ErrorOf("controller:\n  address: ctl:1\n  tls:\n    ca: /a\n    key: k\n"),
            "c.yaml:3: controller.tls.cert: missing: ca, cert and key go together\n"
            "c.yaml:5: controller.tls.key: \"k\" is not an absolute path without . and ..");
  EXPECT_EQ(ErrorOf("controller: {tls: {ca: /a, cert: /b, key: /c}}"),
            "c.yaml:1: controller.address: missing: tls is configured, but no address to use it for");
}

TEST(ParseConfig, BadControllerAddressesAreRefused) {
  for (const char* address : {"ctl", "ctl:", ":1", "ctl:0", "ctl:65536", "ctl:http", "a b:1", "unix://rel", "unix:///",
                              "fd00::1:80", "http://x:1"})
    EXPECT_EQ(ErrorOf(std::string("controller: {address: \"") + address + "\"}"),
              std::string("c.yaml:1: controller.address: \"") + address +
                  "\" is not an address: use host:port, [v6]:port or unix:///path");
}

TEST(ParseConfig, SeveralDocumentsAreRefused) {
  EXPECT_EQ(ErrorOf("log: {level: info}\n---\nlog: {level: debug}\n"), "c.yaml:3: a configuration is one document");
}

TEST(LoadConfig, AMissingFileSaysSo) {
  const auto config = LoadConfig("/nonexistent/bulkheadd.yaml");
  EXPECT_EQ(config.status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Message(config.status()), "open /nonexistent/bulkheadd.yaml: No such file or directory");
}

}  // namespace
}  // namespace bulkhead
