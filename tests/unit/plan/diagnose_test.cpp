#include "agent/plan/diagnose.h"

#include <linux/capability.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace bulkhead {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint64_t kMiB = 1U << 20U;
constexpr uint64_t Bit(int capability) { return 1ULL << static_cast<unsigned>(capability); }

// Nothing is wrong with this one.
DiagnosisFacts GoodHost() {
  return {.kernel = "6.12.9-amd64",
          .features = {{"btf", true, ""}, {"lsm_cgroup", true, ""}},
          .capabilities = Bit(CAP_BPF) | Bit(CAP_NET_ADMIN) | Bit(CAP_PERFMON),
          .tables = {{"tasks", 10, 16384}},
          .state_directory = "/var/lib/bulkhead",
          .disk_available = 10'000 * kMiB,
          .spool_max = 256 * kMiB,
          .controller = {.address = "controller:9443", .connected = true}};
}

// What was said of one check.
std::vector<Finding> Said(const DiagnosisFacts& facts, const std::string& check) {
  std::vector<Finding> findings = Diagnose(facts);
  std::erase_if(findings, [&](const Finding& one) { return one.check != check; });
  return findings;
}

auto Is(Severity severity, const std::string& found) {
  return AllOf(Field(&Finding::severity, severity), Field(&Finding::found, HasSubstr(found)));
}

TEST(Diagnose, AGoodHostIsOkInEveryCheck) {
  const std::vector<Finding> findings = Diagnose(GoodHost());
  EXPECT_THAT(findings, Each(AllOf(Field(&Finding::severity, Severity::kOk), Field(&Finding::action, ""))));
  std::set<std::string> checks;
  for (const Finding& finding : findings) checks.insert(finding.check);
  EXPECT_THAT(checks, ElementsAre("capabilities", "controller", "files", "foreign programs", "kernel features",
                                  "limits", "spool", "state", "tables", "walls"));
}

TEST(Diagnose, WhatIsNotOkSaysWhatItMeans) {
  DiagnosisFacts bad{.kernel = "6.1.0",
                     .features = {{"lsm_cgroup", false, "no"}},
                     .unsupported = {"memory.max: no controller", "hugetlb: no controller"},
                     .programs = {{.cgroup = "/c", .hook = "egress", .id = 1, .exclusive = true, .contested = true},
                                  {.cgroup = "/c/b", .hook = "device", .id = 2, .on_top = true}},
                     .wall_reasons = {"network: no program is attached"},
                     .tables = {{"prefixes", 9, 10}},
                     .state_problem = "write /var: Read-only file system",
                     .controller = {.address = "x:1"}};
  size_t troubles = 0;
  for (const Finding& finding : Diagnose(bad)) {
    if (finding.severity == Severity::kOk) continue;
    ++troubles;
    EXPECT_NE(finding.meaning, "") << finding.found;
    EXPECT_TRUE(finding.severity < Severity::kWarning || !finding.action.empty()) << finding.found;
  }
  EXPECT_EQ(troubles, 10U);
}

TEST(Diagnose, WallsAreAnErrorWhenTheyFailedAndAWarningWhenDegraded) {
  DiagnosisFacts facts = GoodHost();
  facts.wall_reasons = {"network: no program is attached", "top cgroup: gone"};
  EXPECT_THAT(Said(facts, "walls"),
              ElementsAre(Is(Severity::kWarning, "no program"), Is(Severity::kWarning, "top cgroup")));
  facts.walls_failed = true;
  EXPECT_THAT(Said(facts, "walls"), Each(Field(&Finding::severity, Severity::kError)));
}

TEST(Diagnose, FilesThatAreNotInForceAreAWarningWithTheFirstMistake) {
  DiagnosisFacts facts = GoodHost();
  facts.load_error = "a.yaml:3: limits: unknown field\na.yaml:9: more";
  EXPECT_THAT(Said(facts, "files"), ElementsAre(AllOf(Field(&Finding::severity, Severity::kWarning),
                                                      Field(&Finding::found, "a.yaml:3: limits: unknown field"))));
}

TEST(Diagnose, MissingFeaturesAreNotesWithTheKernelsReason) {
  DiagnosisFacts facts = GoodHost();
  facts.features[1] = {"lsm_cgroup", false, "bpf is not among the active security modules: lockdown"};
  const auto said = Said(facts, "kernel features");
  EXPECT_THAT(said, ElementsAre(Is(Severity::kOk, "1 of 2 work on 6.12.9-amd64"),
                                Is(Severity::kNote, "no lsm_cgroup: bpf is not among")));
  EXPECT_THAT(said[1].meaning, HasSubstr("AF_PACKET"));
}

TEST(Diagnose, OnlyTheBasicLimitsAreErrors) {
  DiagnosisFacts facts = GoodHost();
  facts.unsupported = {"memory.max: no hierarchy has it", "io.weight: no file"};
  EXPECT_THAT(Said(facts, "limits"),
              ElementsAre(Is(Severity::kError, "memory.max: no hierarchy"), Is(Severity::kNote, "io.weight")));
}

TEST(Diagnose, CapabilitiesDependOnTheKernel) {
  DiagnosisFacts facts = GoodHost();
  facts.kernel = "6.1.0-50-cloud-amd64";
  EXPECT_THAT(Said(facts, "capabilities"), ElementsAre(Is(Severity::kWarning, "CAP_SYS_NICE")));
  facts.capabilities |= Bit(CAP_SYS_NICE);
  EXPECT_THAT(Said(facts, "capabilities"), ElementsAre(Is(Severity::kOk, "")));
  facts.capabilities = Bit(CAP_SYS_ADMIN) | Bit(CAP_NET_ADMIN) | Bit(CAP_SYS_NICE);
  EXPECT_THAT(Said(facts, "capabilities"), ElementsAre(Is(Severity::kOk, ""))) << "CAP_SYS_ADMIN holds BPF and PERFMON";
  facts.capabilities = Bit(CAP_BPF);
  EXPECT_THAT(Said(facts, "capabilities"), ElementsAre(Is(Severity::kError, "lacks CAP_PERFMON, CAP_NET_ADMIN")));
}

TEST(Diagnose, ForeignProgramsAreRatedByWhereTheyAreAndWhatTheyForbid) {
  DiagnosisFacts facts = GoodHost();
  const CgroupProgram above{
      .cgroup = "/sys/fs/cgroup/a", .hook = "egress", .id = 7, .name = "sd_fw", .contested = true};
  facts.programs = {above};
  EXPECT_THAT(Said(facts, "foreign programs"), ElementsAre(Is(Severity::kNote, "egress 7 (sd_fw)")));
  facts.programs[0].exclusive = true;
  EXPECT_THAT(Said(facts, "foreign programs"), ElementsAre(Is(Severity::kError, "forbids programs of others")));
  facts.programs[0].contested = false;
  EXPECT_THAT(Said(facts, "foreign programs"), ElementsAre(Is(Severity::kNote, "egress 7")))
      << "on a hook that Bulkhead does not use";
  facts.programs = {above};
  facts.programs[0].on_top = true;
  EXPECT_THAT(Said(facts, "foreign programs"), ElementsAre(Is(Severity::kWarning, "packets")));
  facts.programs[0].hook = "device";
  EXPECT_THAT(Said(facts, "foreign programs"), ElementsAre(Is(Severity::kWarning, "devices of every task")));
}

TEST(Diagnose, ProgramsOfOneCgroupAreOneFinding) {
  DiagnosisFacts facts = GoodHost();
  facts.programs = {{.cgroup = "/c", .hook = "egress", .id = 7},
                    {.cgroup = "/c", .hook = "ingress", .id = 8},
                    {.cgroup = "/d", .hook = "egress", .id = 9}};
  EXPECT_THAT(Said(facts, "foreign programs"),
              ElementsAre(Is(Severity::kNote, "egress 7, ingress 8"), Is(Severity::kNote, "/d")));
}

TEST(Diagnose, ProgramsThatCouldNotBeAskedForAreUnknownNotNone) {
  DiagnosisFacts facts = GoodHost();
  facts.programs_unknown = "ask for programs: Operation not permitted";
  EXPECT_THAT(Said(facts, "foreign programs"), ElementsAre(Is(Severity::kUnknown, "not permitted")));
}

TEST(Diagnose, TablesWarnBeforeTheyAreFull) {
  DiagnosisFacts facts = GoodHost();
  facts.tables = {{"tasks", 79, 100}, {"prefixes", 80, 100}};
  EXPECT_THAT(Said(facts, "tables"), ElementsAre(Is(Severity::kWarning, "prefixes is nearly full: 80 of 100")));
}

TEST(Diagnose, DiskIsHeldAgainstWhatTheSpoolMayStillTake) {
  DiagnosisFacts facts = GoodHost();
  facts.disk_available = 100 * kMiB;
  EXPECT_THAT(Said(facts, "state"), ElementsAre(Is(Severity::kWarning, "100 MiB left, the spool may want 256 MiB")));
  facts.spool_bytes = 200 * kMiB;
  EXPECT_THAT(Said(facts, "state"), ElementsAre(Is(Severity::kOk, "100 MiB left")));
  facts.disk_available = 15 * kMiB;
  EXPECT_THAT(Said(facts, "state"), ElementsAre(Is(Severity::kError, "15 MiB left")));
  facts.state_problem = "write /var/lib/bulkhead: Read-only file system";
  EXPECT_THAT(Said(facts, "state"), ElementsAre(Is(Severity::kError, "Read-only")));
}

TEST(Diagnose, SpoolWarnsBeforeRecordsAreThinnedAndAfter) {
  DiagnosisFacts facts = GoodHost();
  facts.spool_bytes = 210 * kMiB;
  EXPECT_THAT(Said(facts, "spool"), ElementsAre(Is(Severity::kWarning, "210 MiB of 256 MiB")));
  facts.spool_bytes = 0;
  facts.thinned_records = 5;
  EXPECT_THAT(Said(facts, "spool"), ElementsAre(Is(Severity::kWarning, "5 were thinned")));
}

TEST(Diagnose, AControllerThatIsAwayIsAWarningOneThatIsNotWantedIsNot) {
  DiagnosisFacts facts = GoodHost();
  facts.controller.connected = false;
  facts.controller.error = "connection refused";
  EXPECT_THAT(Said(facts, "controller"), ElementsAre(Is(Severity::kWarning, "not connected: connection refused")));
  facts.controller = {};
  EXPECT_THAT(Said(facts, "controller"), ElementsAre(Is(Severity::kOk, "none configured")));
}

}  // namespace
}  // namespace bulkhead
