// A memory.max that is lowered below what is in use.
#include <cerrno>

#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TaskId kWeb{"acme", "web"};
const CgroupPath kPath{"acme/web"};

TaskSpec Web(uint64_t max, OnShrink on_shrink = OnShrink::kReclaim) {
  TaskSpec task = Task("acme", "web").MemoryMax(max);
  task.limits.on_shrink = on_shrink;
  return task;
}

class Shrink : public ::testing::Test {
 protected:
  void Begin(FakeNode& node, uint64_t in_use, uint64_t locked) {
    ASSERT_THAT(node.engine->Apply({Tenant("acme"), Web(512_MiB)}, {}), IsOk());
    (void)node.tree.AddProcess(kPath);
    node.tree.Use(kPath, in_use, locked);
  }
  static ObjectResult Apply(FakeNode& node, const ObjectSpec& spec, const ApplyOptions& options = {}) {
    const auto results = node.engine->Apply({spec}, options);
    EXPECT_THAT(results, IsOk());
    return results.ok() ? results->back() : ObjectResult{};
  }
  static std::optional<uint64_t> Max(const FakeNode& node, const std::string& path = "acme/web") {
    return node.tree.LimitsAt(path).Number(LimitKind::kMemoryMax);
  }
  static std::optional<uint64_t> High(const FakeNode& node) {
    return node.tree.LimitsAt("acme/web").Number(LimitKind::kMemoryHigh);
  }
};

TEST_F(Shrink, WhatCanBeReclaimedIsBeforeTheLimitIsSet) {
  FakeNode node;
  Begin(node, 400_MiB, 100_MiB);
  const size_t before = node.tree.writes().size();
  EXPECT_EQ(Apply(node, Web(256_MiB)).outcome, Outcome::kChanged);
  EXPECT_EQ(Max(node), 256_MiB);
  EXPECT_EQ(High(node), std::nullopt);
  EXPECT_EQ(node.tree.oom_kills(), 0u);
  std::vector<LimitKind> kinds;
  for (size_t i = before; i < node.tree.writes().size(); ++i) kinds.push_back(node.tree.writes()[i].id.kind);
  EXPECT_THAT(kinds, ElementsAre(LimitKind::kMemoryHigh, LimitKind::kMemoryMax, LimitKind::kMemoryHigh));
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kEnforced);
}

TEST_F(Shrink, WhatCannotBeReclaimedKeepsTheOldLimitUntilItFits) {
  FakeNode node;
  Begin(node, 400_MiB, 300_MiB);
  const ObjectResult result = Apply(node, Web(256_MiB));
  EXPECT_EQ(result.outcome, Outcome::kPending);
  EXPECT_THAT(Message(result.error),
              AllOf(HasSubstr("memory.max = 268435456"), HasSubstr("314572800 bytes are in use")));
  EXPECT_EQ(Max(node), 512_MiB);
  EXPECT_EQ(High(node), 256_MiB) << "the kernel goes on reclaiming";
  ObjectState state = node.engine->StateOf(kWeb);
  EXPECT_EQ(state.enforcement, Enforcement::kPending);
  EXPECT_THAT(state.reasons,
              ElementsAre(AllOf(HasSubstr("536870912"), HasSubstr("314572800"), HasSubstr("268435456"))));
  EXPECT_EQ(node.engine->LastSeenOf(kWeb).enforcement, Enforcement::kDegraded);
  EXPECT_THAT(node.engine->Attach(kWeb, {5'000'100}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("memory.max")));
  EXPECT_THAT(node.EventsOf("pending"), ElementsAre(HasSubstr("acme/web")));

  node.engine->Reconcile();
  EXPECT_EQ(Max(node), 512_MiB);
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kPending);
  EXPECT_THAT(node.EventsOf("repaired"), IsEmpty());

  node.tree.Use(kPath, 300_MiB, 200_MiB);
  node.engine->Reconcile();
  EXPECT_EQ(Max(node), 256_MiB);
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kEnforced);
  node.engine->Reconcile();
  EXPECT_EQ(High(node), std::nullopt);
  EXPECT_EQ(node.tree.oom_kills(), 0u);
}

TEST_F(Shrink, PastTheDeadlineNobodyPressesAndTheLimitComesWhenItFits) {
  FakeNode node;
  Begin(node, 300_MiB, 300_MiB);
  EXPECT_EQ(Apply(node, Web(256_MiB)).outcome, Outcome::kPending);
  node.clock.Advance(LimitSpec::kShrinkDeadline + std::chrono::seconds(1));
  node.engine->Reconcile();
  EXPECT_EQ(Max(node), 512_MiB);
  EXPECT_EQ(High(node), std::nullopt) << "what cannot end does not slow the task down for ever";
  const ObjectState state = node.engine->StateOf(kWeb);
  EXPECT_EQ(state.enforcement, Enforcement::kPending);
  EXPECT_THAT(state.reasons, ElementsAre(HasSubstr("could not reclaim as much within 30 s")));
  node.tree.Use(kPath, 200_MiB, 200_MiB);
  node.engine->Reconcile();
  EXPECT_EQ(Max(node), 256_MiB);
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kEnforced);
}

TEST_F(Shrink, AHighOfItsOwnIsKept) {
  FakeNode node;
  Begin(node, 400_MiB, 300_MiB);
  TaskSpec web = Web(256_MiB);
  web.limits.values.Set(LimitKind::kMemoryHigh, 200_MiB);
  EXPECT_EQ(Apply(node, web).outcome, Outcome::kPending);
  EXPECT_EQ(High(node), 200_MiB);
  node.tree.Use(kPath, 100_MiB, 0);
  node.engine->Reconcile();
  EXPECT_EQ(Max(node), 256_MiB);
  EXPECT_EQ(High(node), 200_MiB);
}

TEST_F(Shrink, TheOldLimitMayComeBackWhileItIsPending) {
  FakeNode node;
  Begin(node, 400_MiB, 300_MiB);
  EXPECT_EQ(Apply(node, Web(256_MiB)).outcome, Outcome::kPending);
  EXPECT_EQ(Apply(node, Web(512_MiB)).outcome, Outcome::kChanged);
  EXPECT_EQ(Max(node), 512_MiB);
  EXPECT_EQ(High(node), std::nullopt);
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kEnforced);
}

TEST_F(Shrink, ARestartedAgentGoesOn) {
  FakeNode node;
  Begin(node, 300_MiB, 300_MiB);
  EXPECT_EQ(Apply(node, Web(256_MiB)).outcome, Outcome::kPending);
  node.Start();
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kPending);
  EXPECT_EQ(Max(node), 512_MiB);
  node.tree.Use(kPath, 100_MiB, 0);
  node.engine->Reconcile();
  EXPECT_EQ(Max(node), 256_MiB);
}

TEST_F(Shrink, RefuseSaysTheNumbersAndChangesNothing) {
  FakeNode node;
  Begin(node, 300_MiB, 0);
  for (const bool dry : {true, false}) {
    const ObjectResult result = Apply(node, Web(256_MiB, OnShrink::kRefuse), {.validate_only = dry});
    EXPECT_EQ(result.outcome, Outcome::kRefused);
    EXPECT_THAT(Message(result.error),
                AllOf(HasSubstr("memory.max = 268435456"), HasSubstr("314572800 bytes are in use")));
  }
  EXPECT_EQ(Max(node), 512_MiB);
  EXPECT_EQ(node.engine->desired().tasks.at(kWeb), Web(512_MiB));
  node.tree.Use(kPath, 100_MiB, 0);
  EXPECT_EQ(Apply(node, Web(256_MiB, OnShrink::kRefuse)).outcome, Outcome::kChanged);
}

TEST_F(Shrink, ForceMayKill) {
  FakeNode node;
  Begin(node, 300_MiB, 300_MiB);
  EXPECT_EQ(Apply(node, Web(256_MiB, OnShrink::kForce)).outcome, Outcome::kChanged);
  EXPECT_EQ(Max(node), 256_MiB);
  EXPECT_EQ(node.tree.oom_kills(), 1u);
}

TEST_F(Shrink, CgroupV1ReclaimsByItselfAndNeverKills) {
  FakeNode node(Baseline::kIsolate, FakeCgroupTree::Hybrid());
  Begin(node, 400_MiB, 300_MiB);
  EXPECT_EQ(Apply(node, Web(256_MiB)).outcome, Outcome::kPending);
  EXPECT_EQ(Max(node), 512_MiB);
  EXPECT_EQ(High(node), std::nullopt) << "a soft limit would not help";
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kPending);
  const ObjectResult forced = Apply(node, Web(256_MiB, OnShrink::kForce));
  EXPECT_EQ(forced.outcome, Outcome::kRefused);
  EXPECT_EQ(ErrnoOf(forced.error), EBUSY);
  node.tree.Use(kPath, 300_MiB, 100_MiB);
  node.engine->Reconcile();
  EXPECT_EQ(Max(node), 256_MiB);
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kEnforced);
}

TEST_F(Shrink, ATenantWaitsAndTheRestOfTheBatchDoesNot) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply({Tenant("acme").MemoryMax(1_GiB), Tenant("beta"), Web(100_MiB)}, {}), IsOk());
  node.tree.Use({"acme"}, 600_MiB, 600_MiB);
  const auto results =
      node.engine->Apply({Tenant("acme").MemoryMax(512_MiB).PidsMax(9), Tenant("beta").PidsMax(7)}, {});
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ(results->front().outcome, Outcome::kPending);
  EXPECT_EQ(results->back().outcome, Outcome::kChanged);
  EXPECT_EQ(Max(node, "acme"), 1_GiB);
  EXPECT_EQ(node.tree.LimitsAt("acme").Number(LimitKind::kPidsMax), 9u);
  EXPECT_EQ(node.engine->StateOf(TenantId{"acme"}).enforcement, Enforcement::kPending);
  node.tree.Use({"acme"}, 100_MiB, 100_MiB);
  node.engine->Reconcile();
  EXPECT_EQ(Max(node, "acme"), 512_MiB);
}

TEST_F(Shrink, AWriteThatFailsOnTheWayIsTakenBack) {
  FakeNode node;
  Begin(node, 400_MiB, 300_MiB);
  TaskSpec web = Web(256_MiB);
  web.limits.values.Set(LimitKind::kPidsMax, 5);
  node.tree.FailNext("pids.max", EIO);
  EXPECT_EQ(Apply(node, web).outcome, Outcome::kRefused);
  EXPECT_EQ(Max(node), 512_MiB);
  EXPECT_EQ(High(node), std::nullopt);
  EXPECT_EQ(node.engine->StateOf(kWeb).enforcement, Enforcement::kEnforced);
}

TEST(Guarantees, WhatDoesNotFitIsRefusedWithTheNumbers) {
  FakeNode node;
  node.engine->SetGuaranteed(8_GiB, 1_GiB);
  const auto low = [](const std::string& name, uint64_t bytes) -> TenantSpec {
    return Tenant(name).Limit(LimitKind::kMemoryLow, bytes);
  };
  ASSERT_THAT(node.engine->Apply({low("acme", 4_GiB)}, {}), IsOk());
  const Status refused = node.engine->Apply({low("beta", 4_GiB)}, {}).status();
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted,
                                AllOf(HasSubstr("tenant beta: limits.memory.low: 4294967296"), HasSubstr("8589934592"),
                                      HasSubstr("1073741824 are reserved"), HasSubstr("leaves 3221225472"))));
  EXPECT_THAT(node.tree.Paths(), ElementsAre("acme"));
  EXPECT_THAT(node.engine->Apply({low("beta", 3_GiB)}, {}), IsOk());
  EXPECT_THAT(node.engine->Apply({low("acme", 2_GiB), low("beta", 5_GiB)}, {}), IsOk()) << "together they fit";
}

TEST(Guarantees, WhatTheHostCannotProtectTakesNothing) {
  FakeNode node(Baseline::kIsolate, FakeCgroupTree::Hybrid());
  node.engine->SetGuaranteed(1_GiB, 0);
  EXPECT_THAT(node.engine->Apply({Tenant("acme").Limit(LimitKind::kMemoryMin, 4_GiB)}, {}), IsOk());
  EXPECT_EQ(node.engine->StateOf(TenantId{"acme"}).enforcement, Enforcement::kDegraded);
}

TEST(Guarantees, ATenantsAreWorthWhatTheTopCgroupsAre) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply({Tenant("acme").Limit(LimitKind::kMemoryLow, 64_MiB)}, {}), IsOk());
  ObjectState state = node.engine->StateOf(TenantId{"acme"});
  EXPECT_EQ(state.enforcement, Enforcement::kDegraded);
  EXPECT_THAT(state.reasons, ElementsAre(AllOf(HasSubstr("memory.low"), HasSubstr("the top cgroup"))));
  node.tree.WriteBehind({""}, LimitKind::kMemoryLow, 64_MiB);
  node.engine->Reconcile();
  EXPECT_EQ(node.engine->StateOf(TenantId{"acme"}).enforcement, Enforcement::kEnforced);
}

TEST(Guarantees, OfATaskBeyondItsTenantsAreSaidToBeNone) {
  FakeNode node;
  node.tree.WriteBehind({""}, LimitKind::kMemoryLow, 1_GiB);
  node.engine->Reconcile();
  ASSERT_THAT(node.engine->Apply({Tenant("acme").Limit(LimitKind::kMemoryLow, 32_MiB),
                                  Task("acme", "web").Limit(LimitKind::kMemoryLow, 64_MiB)},
                                 {}),
              IsOk());
  const ObjectState state = node.engine->StateOf(kWeb);
  EXPECT_EQ(state.enforcement, Enforcement::kDegraded);
  EXPECT_FALSE(state.walls_missing);
  EXPECT_THAT(state.reasons, ElementsAre(AllOf(HasSubstr("memory.low"), HasSubstr("tenant acme"))));
  EXPECT_EQ(state.overall.limits.Number(LimitKind::kMemoryLow), 32_MiB);
}

TEST(Levels, WhatDecidesAndWhatIsOverCommittedIsInTheState) {
  FakeNode node;
  ASSERT_THAT(
      node.engine->Apply({Tenant("acme").MemoryMax(512_MiB).PidsMax(100), Task("acme", "web").MemoryMax(400_MiB),
                          Task("acme", "db").MemoryMax(400_MiB).PidsMax(5)},
                         {}),
      IsOk());
  const ObjectState web = node.engine->StateOf(kWeb);
  EXPECT_EQ(web.overall.limits.Number(LimitKind::kMemoryMax), 400_MiB);
  EXPECT_EQ(web.overall.limits.Number(LimitKind::kPidsMax), 100u);
  EXPECT_THAT(web.overall.decided_by, ElementsAre(testing::Pair(LimitKind::kPidsMax, "tenant")));
  const ObjectState acme = node.engine->StateOf(TenantId{"acme"});
  ASSERT_EQ(acme.over_commits.size(), 2u);
  EXPECT_EQ(acme.over_commits[0].sum, 800_MiB);
  EXPECT_EQ(acme.over_commits[1].sum, 105u);
}

}  // namespace
}  // namespace bulkhead::test
