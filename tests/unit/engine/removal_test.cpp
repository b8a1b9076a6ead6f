// Removals that cannot end at once: processes that take their time to die, a ledger that takes no last usage.
#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const TaskId kWeb{"acme", "web"};
const TaskId kDb{"acme", "db"};
constexpr ApplyOptions kPrune{.prune = true};

std::vector<ObjectSpec> Shop() {
  return {Tenant("acme").PidsMax(100), Task("acme", "web").MemoryMax(64_MiB).Addr("10.0.0.1"), Task("acme", "db")};
}

class Removal : public ::testing::Test {
 protected:
  Removal() {
    EXPECT_THAT(node_.engine->Apply(Shop(), {}), IsOk());
    web_pid_ = node_.tree.AddProcess(PathOf(kWeb));
  }
  bool Desired(const TaskId& id) const { return node_.engine->desired().tasks.contains(id); }
  void LockLedger() { node_.ledger = Unavailable("ledger.db: database is locked"); }
  void UnlockLedger() { node_.ledger = Ok(); }
  // Still there, as a task that goes: walls, cgroup, samples.
  void ExpectWaiting(const TaskId& id, const std::string& why) {
    const ObjectState state = node_.engine->StateOf(id);
    EXPECT_EQ(state.enforcement, Enforcement::kDegraded);
    EXPECT_THAT(state.reasons, Contains(AllOf(HasSubstr("being removed"), HasSubstr(why))));
    EXPECT_THAT(node_.engine->NodeState().reasons, Contains(AllOf(HasSubstr(id.ToString()), HasSubstr(why))));
    EXPECT_NE(node_.PolicyOf(id.ToString()), nullptr);
    EXPECT_TRUE(Desired(id));
  }

  FakeNode node_;
  int web_pid_ = 0;
};

TEST_F(Removal, CgroupStaysUntilTheLastUsageIsRecorded) {
  LockLedger();
  EXPECT_THAT(node_.engine->Delete("task", "acme/web"), StatusIs(StatusCode::kUnavailable, HasSubstr("is locked")));
  EXPECT_EQ(node_.tree.WhereIs(web_pid_), "dead") << "killed all the same";
  ExpectWaiting(kWeb, "last usage cannot be recorded: ledger.db: database is locked");
  EXPECT_THAT(node_.engine->LiveTasks(), SizeIs(2)) << "sampled as before";
  node_.engine->Reconcile();
  node_.engine->ContinueRemovals();
  ExpectWaiting(kWeb, "is locked");
  UnlockLedger();
  node_.engine->ContinueRemovals();
  EXPECT_THAT(node_.tree.Paths(), ElementsAre("acme", "acme/db"));
  EXPECT_FALSE(Desired(kWeb));
  EXPECT_THAT(node_.Kernel().addresses(), IsEmpty());
  EXPECT_EQ(node_.engine->NodeState().enforcement, Enforcement::kEnforced);
  EXPECT_THAT(node_.engine->Apply({Task("acme", "web")}, {}), IsOk());
  EXPECT_EQ(node_.engine->StateOf(kWeb).enforcement, Enforcement::kEnforced) << "nothing of the old one sticks";
  node_.Start();
  EXPECT_TRUE(Desired(kWeb)) << "in the state, too";
}

TEST_F(Removal, TickFinishesIt) {
  LockLedger();
  EXPECT_FALSE(node_.engine->Delete("task", "acme/web").ok());
  UnlockLedger();
  node_.engine->Reconcile();
  EXPECT_FALSE(Desired(kWeb));
  EXPECT_THAT(node_.EventsOf("deleted"), ElementsAre(HasSubstr("acme/web")));
}

TEST_F(Removal, WaitsOnAfterARestart) {
  LockLedger();
  EXPECT_FALSE(node_.engine->Delete("task", "acme/web").ok());
  node_.Start();
  EXPECT_THAT(node_.recovered, IsOk());
  ExpectWaiting(kWeb, "is locked");
  UnlockLedger();
  const size_t before = node_.sampled.size();
  node_.Start();
  EXPECT_FALSE(Desired(kWeb));
  EXPECT_THAT(node_.tree.Paths(), ElementsAre("acme", "acme/db"));
  EXPECT_THAT(node_.sampled, SizeIs(before + 1));
}

// kill -9 at every step, with a ledger that takes nothing until after the restart.
TEST_F(Removal, NoCrashLosesTheLastUsage) {
  int crashes = 0;
  for (uint64_t n = 1; n < 50; ++n) {
    FakeNode node;
    ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
    node.ledger = Unavailable("full");
    node.steps.CrashBefore(n);
    bool crashed = false;
    try {
      (void)node.engine->Delete("task", "acme/web");
      node.engine->ContinueRemovals();
      node.engine->Reconcile();
    } catch (const SimulatedCrash&) {
      crashed = true;
    }
    node.steps.Disarm();
    ASSERT_THAT(node.tree.Paths(), ElementsAre("acme", "acme/db", "acme/web")) << n;
    node.ledger = Ok();
    node.sampled.clear();
    node.Start();
    EXPECT_THAT(node.tree.Paths(), ElementsAre("acme", "acme/db")) << n;
    EXPECT_THAT(node.sampled, SizeIs(1)) << n;
    if (!crashed) break;
    ++crashes;
  }
  EXPECT_GT(crashes, 2);
}

TEST_F(Removal, WhatWaitsTakesNoProcessAndIsNotApplied) {
  LockLedger();
  EXPECT_FALSE(node_.engine->Delete("task", "acme/web").ok());
  EXPECT_THAT(node_.engine->Attach(kWeb, {node_.tree.AddProcessElsewhere()}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("being removed")));
  for (const bool validate_only : {true, false}) {
    BULKHEAD_TEST_ASSIGN(const auto results,
                         node_.engine->Apply({Tenant("beta"), Task("acme", "web").PidsMax(5), Task("beta", "new")},
                                             {.validate_only = validate_only}));
    ASSERT_THAT(results, SizeIs(3));
    EXPECT_EQ(results[0].outcome, Outcome::kCreated) << "others are no part of it";
    EXPECT_THAT(results[1].error, StatusIs(StatusCode::kUnavailable, HasSubstr("task acme/web is being removed")));
    EXPECT_EQ(results[2].outcome, Outcome::kCreated);
  }
  ExpectWaiting(kWeb, "is locked");
  EXPECT_THAT(node_.engine->Delete("task", "acme/web"), StatusIs(StatusCode::kUnavailable, HasSubstr("is locked")));
  UnlockLedger();
  EXPECT_THAT(node_.engine->Delete("task", "acme/web"), IsOk());
  EXPECT_THAT(node_.engine->Delete("task", "acme/web"), StatusIs(StatusCode::kNotFound, HasSubstr("acme/web")));
}

TEST_F(Removal, OneThatWaitsStopsNoOtherAndItsTenantWaitsForIt) {
  node_.tree.RefuseToDie(PathOf(kWeb));
  ASSERT_THAT(node_.engine->Apply({Tenant("beta"), Task("beta", "x")}, {}), IsOk());
  BULKHEAD_TEST_ASSIGN(const auto results, node_.engine->Apply({Tenant("gamma")}, kPrune));
  EXPECT_THAT(node_.tree.Paths(), ElementsAre("acme", "acme/web", "gamma"));
  for (const ObjectResult& result : results)
    EXPECT_EQ(result.outcome == Outcome::kRefused, result.name == "acme" || result.name == "acme/web") << result.name;
  EXPECT_THAT(node_.engine->StateOf(TenantId{"acme"}).reasons, Contains(HasSubstr("task acme/web is still there")));
  BULKHEAD_TEST_ASSIGN(const auto late, node_.engine->Apply({Task("acme", "new")}, {}));
  EXPECT_THAT(late[0].error, StatusIs(StatusCode::kUnavailable, HasSubstr("tenant acme is being removed")));
  node_.Start();
  ExpectWaiting(kWeb, "live on");
  node_.tree.LetDie(PathOf(kWeb));
  node_.engine->ContinueRemovals();
  EXPECT_THAT(node_.tree.Paths(), ElementsAre("gamma"));
  node_.Start();
  EXPECT_THAT(node_.engine->desired().tenants, SizeIs(1));
}

TEST_F(Removal, TenantWhoseTasksAreOnTheirWayOutMayFollowThem) {
  LockLedger();
  EXPECT_FALSE(node_.engine->Delete("task", "acme/web").ok());
  EXPECT_THAT(node_.engine->Delete("tenant", "acme"), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("acme/db")));
  EXPECT_FALSE(node_.engine->Delete("task", "acme/db").ok());
  EXPECT_THAT(node_.engine->Delete("tenant", "acme"),
              StatusIs(StatusCode::kUnavailable, HasSubstr("acme/db is still")));
  UnlockLedger();
  node_.engine->ContinueRemovals();
  EXPECT_THAT(node_.tree.Paths(), IsEmpty());
}

TEST_F(Removal, TaskThatWillNotDieStaysWithItsWallsUntilItDoes) {
  node_.tree.RefuseToDie(PathOf(kWeb));
  EXPECT_THAT(node_.engine->Delete("task", "acme/web"), StatusIs(StatusCode::kUnavailable, HasSubstr("live on")));
  ExpectWaiting(kWeb, "live on");
  EXPECT_THAT(node_.sampled, IsEmpty()) << "it still runs";
  node_.tree.LetDie(PathOf(kWeb));
  node_.engine->ContinueRemovals();
  EXPECT_FALSE(Desired(kWeb));
  EXPECT_THAT(node_.sampled, SizeIs(1));
}

TEST_F(Removal, IsToldOncePerReasonAndTheLedgerAskedOncePerRound) {
  LockLedger();
  EXPECT_THAT(node_.engine->Apply({}, kPrune), IsOk());
  EXPECT_THAT(node_.sampled, SizeIs(1)) << "the ledger that did not take the first one takes no other";
  EXPECT_THAT(node_.tree.Paths(), ElementsAre("acme", "acme/db", "acme/web"));
  const auto told = node_.EventsOf("degraded");
  EXPECT_THAT(told, SizeIs(3)) << "two tasks and their tenant";
  node_.engine->ContinueRemovals();
  node_.engine->Reconcile();
  EXPECT_EQ(node_.EventsOf("degraded"), told);
  EXPECT_THAT(node_.EventsOf("refused"), IsEmpty());
  EXPECT_THAT(node_.sampled, SizeIs(3));
  node_.ledger = Internal("a counter went down");  // which is one task's
  node_.engine->ContinueRemovals();
  EXPECT_THAT(node_.sampled, SizeIs(5));
  EXPECT_THAT(node_.EventsOf("degraded"), SizeIs(5));
}

TEST_F(Removal, AnotherFailureDoesNotCallItOff) {
  LockLedger();
  EXPECT_FALSE(node_.engine->Delete("task", "acme/web").ok());
  node_.tree.FailNext("pids.max", EIO);
  const auto results = node_.engine->Apply({Tenant("acme").PidsMax(7), Task("acme", "db")}, kPrune);
  ASSERT_THAT(results, IsOk());
  EXPECT_EQ((*results)[0].outcome, Outcome::kRefused);
  ExpectWaiting(kWeb, "is locked");
  UnlockLedger();
  node_.Start();
  EXPECT_FALSE(Desired(kWeb));
}

TEST_F(Removal, WhatACrashLeftIsFinishedThoughOneOfThemCannotBe) {
  node_.steps.CrashBefore(1);
  EXPECT_THROW((void)node_.engine->Apply({}, kPrune), SimulatedCrash);
  node_.steps.Disarm();
  node_.tree.FailNext("remove", EBUSY);
  node_.Start();
  EXPECT_THAT(node_.tree.Paths(), ElementsAre("acme", "acme/db")) << "the first that was tried";
  ExpectWaiting(kDb, "Device or resource busy");
  node_.engine->ContinueRemovals();
  EXPECT_THAT(node_.tree.Paths(), IsEmpty());
}

}  // namespace
}  // namespace bulkhead::test
