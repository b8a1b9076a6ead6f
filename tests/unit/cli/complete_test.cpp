// What the shells are told. The oracle for the real tree is --help.
#include <CLI/CLI.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <sstream>

#include "agent/cli/complete.h"

namespace bulkhead::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Words = std::vector<std::string>;

// A small program with everything that the engine must know how to follow.
class CompleteTest : public ::testing::Test {
 protected:
  CompleteTest() : cli_{.out = out_, .err = out_}, app_("", "ctl") {
    OneOf(app_.add_option("-o,--output", text_, "Form"), {"table", "json"});
    app_.add_option("--address", address_, "Where")->type_name("ADDRESS");
    CLI::App* get = AddVerb(app_, cli_, "get", "List", "", Nothing);
    get->add_option("kind", kind_, "Kind")->type_name("tenants|tasks");
    get->add_option("name", name_, "One")->type_name("NAME");
    get->add_option("--tenant", tenant_, "Whose")->type_name("TENANT");
    CLI::App* run = AddVerb(app_, cli_, "run", "Run", "", Nothing);
    run->add_option("--tenant", tenant_, "Whose")->type_name("TENANT");
    run->add_option("--task", task_, "Which")->type_name("NAME");
    run->add_option("--pid", pids_, "Ids")->type_name("PID");
    run->add_option("--file", file_, "Manifest")->type_name("FILE|DIR|-");
    run->add_option("--set", set_, "Field")->type_name("FIELD=VALUE")->expected(1)->take_all();
    run->add_flag("--rm", remove_, "Remove");
    AddVerb(*AddNoun(app_, "debug", "For support"), cli_, "bundle", "Everything in one file", "", Nothing)
        ->add_option("--out", file_, "Where to")
        ->type_name("DIR");
    AddVerb(app_, cli_, "secret", "Hidden", "", Nothing)->group("");
  }

  static Result<int> Nothing() { return kDone; }
  static Words Texts(const Completion& done) {
    Words texts;
    for (const Candidate& one : done.candidates) texts.push_back(done.before + one.text);
    return texts;
  }
  Completion After(const Words& words) { return Complete(app_, words); }
  Words Offered(const Words& words) { return Texts(After(words)); }

  std::ostringstream out_;
  Cli cli_;
  CLI::App app_;
  std::string text_, address_, kind_, name_, tenant_, task_, file_;
  std::vector<std::string> set_;
  std::vector<int> pids_;
  bool remove_ = false;
};

TEST_F(CompleteTest, VerbsAndNounsButNoHiddenOnes) {
  EXPECT_THAT(Offered({""}), ElementsAre("get", "run", "debug"));
  EXPECT_THAT(Offered({"r"}), ElementsAre("run"));
  EXPECT_THAT(Offered({"debug", ""}), ElementsAre("bundle"));
  EXPECT_THAT(Offered({"-o", "json", "--address", "unix:/x", "g"}), ElementsAre("get"));
  EXPECT_THAT(Offered({"secret-that-is-none", "g"}), ElementsAre("get"));
}

TEST_F(CompleteTest, OptionsOfTheVerbAndOfEverythingAboveItOnce) {
  EXPECT_THAT(Offered({"get", "--"}), UnorderedElementsAre("--help", "--tenant", "--output", "--address"));
  EXPECT_THAT(Offered({"get", "-o", "json", "--tenant=acme", "--"}), UnorderedElementsAre("--help", "--address"));
  EXPECT_THAT(Offered({"run", "--set", "x=1", "--s"}), ElementsAre("--set")) << "may be repeated";
  EXPECT_THAT(Offered({"debug", "bundle", "--o"}), UnorderedElementsAre("--out", "--output"));
  EXPECT_THAT(Offered({"get", "-"}), testing::IsSupersetOf({"-h", "-o", "--help"}));
}

TEST_F(CompleteTest, ChoicesBySpaceAndByEqualsSign) {
  EXPECT_THAT(Offered({"-o", ""}), ElementsAre("table", "json"));
  EXPECT_THAT(Offered({"get", "--output=j"}), ElementsAre("--output=json"));
  EXPECT_THAT(Offered({"get", "-ojson", "t"}), ElementsAre("tenants", "tasks")) << "the short option has its value";
  EXPECT_THAT(Offered({"get", ""}), ElementsAre("tenants", "tasks"));
}

TEST_F(CompleteTest, NamesOfTheKindThatWasTyped) {
  EXPECT_EQ(After({"get", "tasks", "ac"}).names.value().kind, "task");
  EXPECT_EQ(After({"get", "tenant", ""}).names.value().kind, "tenant");
  EXPECT_EQ(After({"get", "--tenant", ""}).names.value().kind, "tenant");
  EXPECT_FALSE(After({"get", "tasks", "acme/web", ""}).names) << "no third argument";
  EXPECT_THAT(Offered({"get", "tasks", "acme/web", ""}), testing::Contains("--tenant"));
}

TEST_F(CompleteTest, TasksOfTheTenantThatWasTyped) {
  const auto asked = After({"run", "--tenant", "acme", "--task", ""}).names;
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->kind, "task");
  EXPECT_EQ(asked->tenant, "acme");
  EXPECT_FALSE(After({"run", "--task", ""}).names) << "whose?";
}

TEST_F(CompleteTest, PathsAndCommandsAreTheShells) {
  EXPECT_EQ(After({"run", "--file", "a"}).paths, Completion::Paths::kFiles);
  EXPECT_EQ(After({"debug", "bundle", "--out", ""}).paths, Completion::Paths::kFolders);
  EXPECT_EQ(After({"run", "--rm", "--", "e"}).paths, Completion::Paths::kCommands);
  EXPECT_EQ(After({"run", "--", "echo", "--out"}).paths, Completion::Paths::kFiles);
  EXPECT_THAT(Offered({"run", "--", "echo", "--"}), IsEmpty());
}

TEST_F(CompleteTest, FieldsOfATaskWithMoreToFollow) {
  const Completion done = After({"run", "--set", "limits.m"});
  EXPECT_THAT(Texts(done), testing::Contains("limits.memory.max="));
  EXPECT_TRUE(done.open);
  EXPECT_THAT(ToLines(done, {}), testing::EndsWith("\n:nospace\n"));
}

TEST_F(CompleteTest, AnOptionWithManyValuesTakesThemUntilTheNextOption) {
  EXPECT_THAT(Offered({"run", "--pid", "1", "2", ""}), IsEmpty());
  EXPECT_EQ(After({"run", "--pid", "1", "2", "--tenant", ""}).names.value().kind, "tenant");
}

TEST_F(CompleteTest, NamesBecomeLinesIfTheyBeginWithWhatWasTyped) {
  EXPECT_EQ(ToLines(After({"get", "--tenant=ac"}), {"acme", "rival"}), "--tenant=acme\t\n");
  EXPECT_EQ(After({"--address", "unix:/x", "get", "tasks", ""}).address, "unix:/x");
}

std::string Ctl(const Words& words) {
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(RunCli(words, out, err, false), kDone) << err.str();
  return out.str();
}

std::set<std::string> OfferedByTheProgram(Words words) {
  words.insert(words.begin(), {kCompleteVerb, "--"});
  std::istringstream lines(Ctl(words));
  std::set<std::string> offered;
  for (std::string line; std::getline(lines, line);) offered.insert(line.substr(0, line.find('\t')));
  return offered;
}

// Every option that --help shows is offered, for every verb that there is, at every depth.
size_t CheckAgainstHelp(const Words& path) {
  Words help = path;
  help.push_back("--help");
  const std::string text = Ctl(help);
  Words dashes = path;
  dashes.push_back("--");
  const std::set<std::string> options = OfferedByTheProgram(dashes);
  const std::string body = text.substr(0, text.find("\nExample:"));
  const std::regex option("(?:^|[\n ,])(--[a-z-]+)");
  for (std::sregex_iterator at(body.begin(), body.end(), option); at != std::sregex_iterator(); ++at)
    EXPECT_TRUE(options.contains((*at)[1])) << testing::PrintToString(path) << " " << (*at)[1];
  size_t verbs = 1;
  const size_t list = text.find("Subcommands:\n");
  if (list == std::string::npos) return verbs;
  Words next = path;
  next.emplace_back();
  const std::set<std::string> offered = OfferedByTheProgram(next);
  std::istringstream lines(text.substr(list + 13));
  for (std::string line; std::getline(lines, line) && line.rfind("  ", 0) == 0;) {
    next.back() = line.substr(2, line.find(' ', 2) - 2);
    if (next.back().empty()) continue;  // the description goes on
    EXPECT_TRUE(offered.contains(next.back())) << next.back();
    verbs += CheckAgainstHelp(next);
  }
  return verbs;
}

TEST(Completion, OffersEverythingThatHelpShows) { EXPECT_GE(CheckAgainstHelp({}), 12U); }

TEST(Completion, WritesAScriptForEachShell) {
  for (const char* shell : {"bash", "zsh", "fish"})
    EXPECT_THAT(Ctl({"completion", shell}), testing::HasSubstr(std::string("bulkheadctl completion ") + shell));
}

TEST(Completion, AnAgentThatIsNotThereIsNoError) {
  EXPECT_THAT(OfferedByTheProgram({"--address", "unix:///nonexistent/sock", "get", "tasks", ""}), IsEmpty());
}

}  // namespace
}  // namespace bulkhead::cli
