// bulkheadctl as people meet it: output, exit codes and error lines, against a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/cli/cli.h"
#include "tests/support/live_node.h"

namespace bulkhead::cli {
namespace {

using test::LiveNode;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Output {
  int code = 0;
  std::string out;
  std::string err;
};

Output Ctl(std::vector<std::string> arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = RunCli(std::move(arguments), out, err, false);
  return {code, out.str(), err.str()};
}

class CtlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "bh-ctl-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string File(const std::string& text) {
    const std::string path = folder_ + "/set.yaml";
    std::ofstream(path) << text;
    return path;
  }
  Output Node(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--address", "unix://" + node_.socket()});
    return Ctl(std::move(arguments));
  }
  Output ApplyAcme() {
    return Node({"apply", "-f",
                 File("kind: Tenant\nname: acme\nlimits: {memory: {max: 1GiB}}\n---\nkind: Task\ntenant: acme\nname: "
                      "web-1\nlimits: {cpu: {max: 500m}, memory: {max: 256MiB}, pids: {max: 64}}\n")});
  }
  LiveNode node_;
  std::string folder_;
};

TEST_F(CtlTest, ApplySaysWhatItDidToEachObject) {
  const Output first = ApplyAcme();
  EXPECT_EQ(first.code, kDone) << first.err;
  EXPECT_EQ(first.out, "tenant acme created\ntask acme/web-1 created\n");
  EXPECT_EQ(ApplyAcme().out, "tenant acme unchanged\ntask acme/web-1 unchanged\n");
}

TEST_F(CtlTest, DryRunChangesNothingAndShowsTheSteps) {
  const std::string file = File("kind: Tenant\nname: acme\n");
  const Output output = Node({"apply", "-f", file, "--dry-run"});
  EXPECT_EQ(output.code, kDone) << output.err;
  EXPECT_THAT(output.out, StartsWith("tenant acme would be created\n  "));
  EXPECT_EQ(Node({"get", "tenants", "acme"}).code, kNotFound);
}

TEST_F(CtlTest, ABadFieldIsOneLineWithObjectFieldAndPlace) {
  const std::string file =
      File("kind: Tenant\nname: acme\n---\nkind: Task\ntenant: acme\nname: web-1\nlimits: {pids: {max: 0}}\n");
  const Output output = Node({"apply", "-f", file});
  EXPECT_EQ(output.code, kFailed);
  EXPECT_THAT(output.err, StartsWith("bulkheadctl: apply task acme/web-1: limits.pids.max: "));
  EXPECT_THAT(output.err, HasSubstr("set.yaml:"));
  EXPECT_EQ(std::count(output.err.begin(), output.err.end(), '\n'), 1);
  EXPECT_EQ(Node({"get", "tenants"}).out, "TENANT  WALLS  CPU  MEMORY  PIDS  OVER  LABELS  WHY\n");
}

TEST_F(CtlTest, GetAndDescribeShowLimitsInHumanUnits) {
  ASSERT_EQ(ApplyAcme().code, kDone);
  const Output list = Node({"get", "tasks"});
  EXPECT_THAT(list.out, HasSubstr("acme/web-1"));
  EXPECT_THAT(list.out, HasSubstr("0.5 CPU"));
  EXPECT_THAT(list.out, HasSubstr("/ 256 MiB"));
  const Output one = Node({"describe", "task", "acme/web-1"});
  EXPECT_THAT(one.out, HasSubstr("memory.max        256 MiB"));
  const Output json = Node({"get", "task", "acme/web-1", "-o", "json"});
  EXPECT_THAT(json.out, HasSubstr("\"max\": \"268435456\""));
  EXPECT_THAT(Node({"get", "task", "acme/web-1", "-o", "yaml"}).out, HasSubstr("max: 256MiB"));
}

TEST_F(CtlTest, DeleteRemovesAndThenThereIsNone) {
  ASSERT_EQ(ApplyAcme().code, kDone);
  EXPECT_EQ(Node({"delete", "task", "acme/web-1"}).out, "task acme/web-1 deleted\n");
  const Output again = Node({"delete", "task", "acme/web-1"});
  EXPECT_EQ(again.code, kNotFound);
  EXPECT_THAT(again.err, StartsWith("bulkheadctl: delete: "));
}

TEST_F(CtlTest, PruneWithAnEmptySetIsRefused) {
  ASSERT_EQ(ApplyAcme().code, kDone);
  EXPECT_EQ(Node({"apply", "-f", File(""), "--prune"}).code, kFailed);
  EXPECT_EQ(Node({"get", "tenants", "acme"}).code, kDone);
}

TEST_F(CtlTest, StatusUsageEventsAndTopAnswer) {
  ASSERT_EQ(ApplyAcme().code, kDone);
  const Output status = Node({"status"});
  EXPECT_EQ(status.code, kDone) << status.err;
  EXPECT_THAT(status.out, HasSubstr("1 tenants, 1 tasks, 0 policies"));
  EXPECT_THAT(Node({"events"}).out, HasSubstr("acme/web-1"));
  EXPECT_THAT(Node({"usage", "-o", "csv"}).out, StartsWith("tenant,task,task_uid,start,end,final,cpu_ns"));
  EXPECT_THAT(Node({"top", "--once", "--interval", "0.1"}).out, HasSubstr("acme/web-1"));
}

TEST_F(CtlTest, MistakesOnTheCommandLineAreUsageErrors) {
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
           {},
           {"fly"},
           {"get", "nodes"},
           {"apply"},
           {"delete", "task"},
           {"status", "-o", "xml"},
           {"status", "-o", "csv"},
           {"usage", "--since", "1w"},
           {"run", "--tenant", "acme", "--", "true"},
           {"run", "--tenant", "acme", "--task", "x"},
           {"run", "--tenant", "acme", "--task", "x", "--set", "limits", "--", "true"},
           {"attach", "acme/x", "--pid", "-1"},
           {"status", "--address", "http://x"},
           {"status", "--", "true"}}) {
    const Output output = Ctl(bad);
    EXPECT_EQ(output.code, kUsage) << output.err;
    EXPECT_THAT(output.err, StartsWith("bulkheadctl: "));
    EXPECT_EQ(std::count(output.err.begin(), output.err.end(), '\n'), 1) << output.err;
  }
}

TEST(Ctl, EveryVerbHasHelpWithAnExample) {
  for (const char* verb : {"status", "apply", "delete", "get", "describe", "run", "attach", "top", "usage", "events",
                           "doctor", "completion", "version"}) {
    const Output output = Ctl({verb, "--help"});
    EXPECT_EQ(output.code, kDone) << verb;
    EXPECT_THAT(output.out, HasSubstr(std::string("Example: bulkheadctl ") + verb));
  }
}

TEST(Ctl, AMissingAgentIsSaidWithTheNextStep) {
  const Output output = Ctl({"status", "--address", "unix:///nonexistent/node.sock"});
  EXPECT_EQ(output.code, kFailed);
  EXPECT_THAT(output.err, HasSubstr("start bulkheadd"));
  EXPECT_EQ(Ctl({"version", "--address", "unix:///nonexistent/node.sock"}).code, kDone);
}

TEST(Ctl, WhoIsNotLetInIsToldWhatToDo) {
  LiveNode node({.rules = {.tenant_root = "/"}});
  const Output output = Ctl({"status", "--address", "unix://" + node.socket()});
  EXPECT_EQ(output.code, kDenied);
  EXPECT_THAT(output.err, HasSubstr("join group bulkhead"));
}

}  // namespace
}  // namespace bulkhead::cli
