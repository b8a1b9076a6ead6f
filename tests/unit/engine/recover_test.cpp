#include <fstream>

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

constexpr const char* kWeb = "acme/web";
const TaskId kWebId{"acme", "web"};

std::vector<ObjectSpec> Shop() {
  return {Tenant("acme").PidsMax(100), Task("acme", "web").MemoryMax(64_MiB).Addr("10.0.0.1"),
          Policy("acme", "p").Ingress({Allow({Same()})})};
}

void Prepare(FakeNode& node) { ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk()); }

TEST(Recover, RestartAdoptsRunningTasksAndChangesNothing) {
  FakeNode node;
  Prepare(node);
  const int pid = node.tree.AddProcess({kWeb});
  const auto live = node.engine->LiveTasks();
  const Observed kernel = node.Kernel();
  const uint64_t steps = node.steps.count();
  node.Start();
  EXPECT_THAT(node.recovered, IsOk());
  EXPECT_EQ(node.steps.count(), steps);
  EXPECT_TRUE(node.Kernel() == kernel);
  EXPECT_EQ(node.tree.WhereIs(pid), kWeb);
  EXPECT_EQ(node.engine->LiveTasks(), live) << "uid, cgroup and slot are those of before";
  EXPECT_THAT(node.EventsOf("recovered"), ElementsAre(HasSubstr("1 tenants, 1 tasks, 1 policies")));
}

TEST(Recover, AfterARebootEverythingIsMadeAnew) {
  FakeNode node;
  Prepare(node);
  node.tree.RemoveBehind({""});
  node.Start();
  EXPECT_EQ(node.engine->StateOf(kWebId).enforcement, Enforcement::kEnforced);
  EXPECT_THAT(node.maps.CheckAttached(), IsOk());
  EXPECT_THAT(node.Kernel().bindings(), SizeIs(1)) << "the old cgroup's binding is gone";
}

TEST(Recover, OneTaskThatFailsDoesNotKeepTheOthersDown) {
  FakeNode node;
  Prepare(node);
  ASSERT_THAT(node.engine->Apply({Task("acme", "a").CpuMax(1), Task("acme", "z").CpuMax(1)}, {}), IsOk());
  node.tree.RemoveBehind({"acme"});
  node.tree.FailNext("cpu.max", EIO);
  node.Start();
  const ObjectState state = node.engine->StateOf(TaskId{"acme", "a"});
  EXPECT_EQ(state.enforcement, Enforcement::kDegraded);
  EXPECT_THAT(state.reasons, Contains(HasSubstr("cpu.max")));
  EXPECT_NE(node.PolicyOf("acme/a"), nullptr) << "its other walls stand";
  EXPECT_EQ(node.engine->StateOf(kWebId).enforcement, Enforcement::kEnforced);
  EXPECT_EQ(node.engine->StateOf(TaskId{"acme", "z"}).enforcement, Enforcement::kEnforced);
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kDegraded);
  node.engine->Reconcile();
  EXPECT_EQ(node.engine->StateOf(TaskId{"acme", "a"}).enforcement, Enforcement::kEnforced);
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kEnforced);
}

TEST(Recover, RemovalThatBeganIsFinishedOnceTheKernelCanBeRead) {
  for (const bool by_tick : {true, false}) {
    FakeNode node;
    Prepare(node);
    const int pid = node.tree.AddProcess({kWeb});
    node.steps.CrashBefore(1);  // the removal is saved, nothing is done yet
    EXPECT_THROW((void)node.engine->Delete("task", kWeb), SimulatedCrash);
    node.steps.Disarm();
    node.tree.FailNext("list", EIO);
    node.Start();
    ASSERT_EQ(node.tree.WhereIs(pid), kWeb);
    EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kDegraded);
    if (by_tick)
      node.engine->Reconcile();
    else
      EXPECT_THAT(node.engine->Apply({Task("acme", "new")}, {}), IsOk());
    EXPECT_EQ(node.tree.WhereIs(pid), "dead");
    EXPECT_FALSE(node.engine->desired().tasks.contains(kWebId));
    EXPECT_THAT(node.sampled, SizeIs(1)) << "its last sample";
    node.Start();
    EXPECT_FALSE(node.engine->desired().tasks.contains(kWebId));
  }
}

TEST(Recover, LostStateLeavesRunningTasksInTheirWalls) {
  FakeNode node;
  Prepare(node);
  const int pid = node.tree.AddProcess({kWeb});
  const Observed kernel = node.Kernel();
  node.store.reset();
  std::ofstream(node.state_path(), std::ios::trunc) << "this is no database, whatever it was before, and long enough";
  node.Start();
  EXPECT_THAT(node.recovered, IsOk());
  EXPECT_THAT(node.set_aside, HasSubstr("state.db.corrupt-"));
  EXPECT_TRUE(node.Kernel() == kernel) << "bindings, limits and cgroups stay";
  EXPECT_EQ(node.tree.WhereIs(pid), kWeb);
  const ObjectState state = node.engine->NodeState();
  EXPECT_EQ(state.enforcement, Enforcement::kDegraded);
  EXPECT_THAT(state.reasons, Contains(HasSubstr("apply their manifests again")));
  EXPECT_THAT(node.EventsOf("degraded"), Contains(HasSubstr("set aside")));
  node.engine->Reconcile();
  EXPECT_TRUE(node.Kernel() == kernel);
  // And this is how it ends.
  const uint64_t steps = node.steps.count();
  EXPECT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  EXPECT_EQ(node.steps.count(), steps) << "adopted as they are";
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kEnforced);
}

TEST(Reconcile, AgreementIsSilent) {
  FakeNode node;
  Prepare(node);
  const uint64_t events = node.events->After(0).back().sequence;
  const uint64_t steps = node.steps.count();
  node.engine->Reconcile();
  EXPECT_EQ(node.steps.count(), steps);
  EXPECT_THAT(node.events->After(events), IsEmpty());
}

TEST(Reconcile, ForeignWriteIsUndoneAndToldOnce) {
  FakeNode node;
  Prepare(node);
  node.tree.WriteBehind({kWeb}, LimitKind::kMemoryMax, 1_GiB);
  const ObjectState state = node.engine->StateOf(kWebId);
  EXPECT_EQ(state.enforcement, Enforcement::kDegraded);
  EXPECT_THAT(state.reasons, ElementsAre(HasSubstr("the kernel holds 1073741824, wanted is 67108864")));
  node.engine->Reconcile();
  EXPECT_EQ(node.tree.LimitsAt(kWeb).Number(LimitKind::kMemoryMax), 64_MiB);
  EXPECT_THAT(node.EventsOf("repaired"), ElementsAre("acme/web: acme/web: memory.max = 67108864"));
}

TEST(Reconcile, RemovedCgroupBindingAndAddressComeBack) {
  FakeNode node;
  Prepare(node);
  node.tree.RemoveBehind({kWeb});
  EXPECT_EQ(node.engine->StateOf(kWebId).enforcement, Enforcement::kFailed);
  node.engine->Reconcile();
  EXPECT_EQ(node.engine->StateOf(kWebId).enforcement, Enforcement::kEnforced);
  ASSERT_THAT(node.maps.UnbindTask(node.tree.IdOf(kWeb)), IsOk());
  ASSERT_THAT(node.maps.ClearAddress(Address("10.0.0.1")), IsOk());
  node.engine->Reconcile();
  EXPECT_NE(node.PolicyOf(kWeb), nullptr);
  EXPECT_EQ(node.Kernel().OwnerOf(Address("10.0.0.1")), node.tree.IdOf(kWeb));
}

TEST(Reconcile, DetachedProgramIsAttachedAgainAndSaid) {
  FakeNode node;
  Prepare(node);
  node.maps.DetachBehind("task_ingress");
  EXPECT_EQ(node.engine->StateOf(kWebId).enforcement, Enforcement::kFailed);
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kFailed);
  node.engine->Reconcile();
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kEnforced);
  EXPECT_THAT(node.EventsOf("repaired"), ElementsAre(HasSubstr("task_ingress")));
}

TEST(Reconcile, ProgramThatCannotBeAttachedFailsTheNodeAndIsToldOnce) {
  FakeNode node;
  Prepare(node);
  node.maps.DetachBehind("task_ingress");
  node.maps.FailNext("attach", EPERM);
  node.maps.FailNext("attach", EPERM);
  node.engine->Reconcile();
  node.engine->Reconcile();
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kFailed);
  EXPECT_THAT(node.EventsOf("degraded"), ElementsAre(HasSubstr("Operation not permitted")));
}

TEST(Reconcile, RemovedTopCgroupIsRebuiltWithEverythingInIt) {
  FakeNode node;
  Prepare(node);
  node.tree.RemoveBehind({""});
  node.engine->Reconcile();
  EXPECT_EQ(node.engine->StateOf(kWebId).enforcement, Enforcement::kEnforced);
  EXPECT_THAT(node.EventsOf("repaired"), Contains(HasSubstr("top cgroup was removed")));
}

TEST(Reconcile, AnotherTopCgroupGetsItsWallsWithoutWaitingForTheTick) {
  FakeNode node;
  Prepare(node);
  node.tree.AddProcess(PathOf(kWebId));
  node.engine->Reconcile();
  const uint64_t steps = node.steps.count();
  node.engine->WatchRoot();
  EXPECT_EQ(node.steps.count(), steps) << "nothing happened, nothing is done";
  node.tree.RemoveBehind({""});
  node.engine->WatchRoot();
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kEnforced);
  EXPECT_EQ(node.engine->StateOf(kWebId).enforcement, Enforcement::kEnforced);
  EXPECT_THAT(node.EventsOf("repaired"), Contains(HasSubstr("the cgroups of 1 tasks")));
}

TEST(Reconcile, UnknownCgroupsAreShownAndLeftAlone) {
  FakeNode node;
  Prepare(node);
  ASSERT_THAT(node.tree.Create({"stranger"}), IsOk());
  ASSERT_THAT(node.tree.Create({"acme/stranger"}), IsOk());
  const int pid = node.tree.AddProcess({"acme/stranger"});
  node.engine->Reconcile();
  EXPECT_EQ(node.tree.WhereIs(pid), "acme/stranger");
  EXPECT_THAT(node.engine->NodeState().reasons, ElementsAre(HasSubstr("2 cgroups are no tenant or task")));
}

TEST(Reconcile, UnreadableKernelChangesNothing) {
  FakeNode node;
  Prepare(node);
  const uint64_t steps = node.steps.count();
  node.tree.FailNext("list", EIO);
  node.engine->Reconcile();
  EXPECT_EQ(node.steps.count(), steps);
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kDegraded);
  node.engine->Reconcile();
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kEnforced);
}

TEST(StateOf, LimitThatTheHostLacksIsDegradedNotSilent) {
  FakeNode node;
  Prepare(node);
  node.tree.SetUnsupported(LimitKind::kMemoryMax, "no memory controller");
  node.Start();
  const ObjectState state = node.engine->StateOf(kWebId);
  EXPECT_EQ(state.enforcement, Enforcement::kDegraded);
  EXPECT_THAT(state.reasons, ElementsAre(HasSubstr("no memory controller")));
}

TEST(StateOf, UnknownObjectsAreFailed) {
  FakeNode node;
  EXPECT_EQ(node.engine->StateOf(TaskId{"no", "such"}).enforcement, Enforcement::kFailed);
  EXPECT_EQ(node.engine->StateOf(TenantId{"no"}).enforcement, Enforcement::kFailed);
}

}  // namespace
}  // namespace bulkhead::test
