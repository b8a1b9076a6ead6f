#include "agent/plan/plan.h"

#include <gmock/gmock.h>

#include "tests/support/matchers.h"
#include "tests/unit/plan/plan_world.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PlanWorld Standing() {
  PlanWorld world;
  world.Want(Tenant("acme").MemoryMax(1_GiB).PidsMax(100));
  world.Want(Task("acme", "web").MemoryMax(64_MiB).PidsMax(10).Addr("10.0.0.1"));
  world.Perform(world.Plan());
  return world;
}

TEST(MakePlan, NewTaskGetsItsWallsInOrderTenantFirst) {
  PlanWorld world;
  world.Want(Tenant("acme").CpuMax(2).MemoryMax(1_GiB));
  world.Want(Task("acme", "web").CpuMax(0.5).CpuWeight(200).MemoryMax(64_MiB).PidsMax(10).Addr("10.0.0.1"));
  EXPECT_THAT(Texts(world.Plan()),
              ElementsAre("acme: create cgroup", "acme: cpu.max = 200000", "acme: memory.max = 1073741824",
                          "acme/web: create cgroup", "acme/web: cpu.max = 50000", "acme/web: cpu.weight = 200",
                          "acme/web: memory.max = 67108864", "acme/web: pids.max = 10", "install policy 1 (6 prefixes)",
                          "acme/web: bind policy 1", "acme/web: own address 10.0.0.1"));
}

TEST(MakePlan, KernelThatAgreesNeedsNothing) { EXPECT_THAT(Standing().Plan(), IsEmpty()); }

TEST(MakePlan, TaskAloneBringsItsMissingTenant) {
  PlanWorld world;
  world.Want(Tenant("acme").PidsMax(100));
  world.Want(Task("acme", "web"));
  EXPECT_THAT(Texts(world.Plan({.tasks = {{"acme", "web"}}})),
              ElementsAre("acme: create cgroup", "acme: pids.max = 100", "acme/web: create cgroup",
                          "install policy 1 (6 prefixes)", "acme/web: bind policy 1"));
}

TEST(MakePlan, LimitsWidenTopDownAndNarrowBottomUp) {
  PlanWorld world = Standing();
  world.Want(Tenant("acme").MemoryMax(2_GiB).PidsMax(50));
  world.Want(Task("acme", "web").MemoryMax(128_MiB).PidsMax(5).Addr("10.0.0.1"));
  EXPECT_THAT(Texts(world.Plan()), ElementsAre("acme: memory.max = 2147483648", "acme/web: memory.max = 134217728",
                                               "acme/web: pids.max = 5", "acme: pids.max = 50"));
  EXPECT_THAT(Texts(world.Plan({.tenants = {{"acme"}}, .widen_tenants_only = true})),
              ElementsAre("acme: memory.max = 2147483648"));
}

TEST(MakePlan, LiftedLimitGoesBackToTheKernelsDefault) {
  PlanWorld world = Standing();
  world.Want(Task("acme", "web").MemoryMax(64_MiB).Addr("10.0.0.1"));
  const auto steps = world.Plan();
  ASSERT_THAT(Texts(steps), ElementsAre("acme/web: pids.max = max"));
  EXPECT_EQ(std::get<SetLimit>(steps[0]).previous, LimitValue(10));
}

TEST(MakePlan, NewPolicyStandsWholeBeforeTheFlipAndTheOldGoesLast) {
  PlanWorld world = Standing();
  world.Want(Policy("acme", "p").Ingress());
  EXPECT_THAT(Texts(world.Plan()),
              ElementsAre("install policy 2 (4 prefixes)", "acme/web: bind policy 2", "retire policy 1"));
}

TEST(MakePlan, PolicyFlipKeepsSlotAndCounters) {
  PlanWorld world = Standing();
  world.Want(Policy("acme", "p").Ingress());
  for (const Step& step : world.Plan())
    if (const auto* bind = std::get_if<BindTask>(&step)) {
      EXPECT_EQ(bind->slot, 0U);
      EXPECT_FALSE(bind->fresh);
    }
}

TEST(MakePlan, EqualPoliciesAreOneInTheKernel) {
  PlanWorld world = Standing();
  world.Want(Tenant("beta"));
  world.Want(Task("beta", "a"));
  world.Want(Task("beta", "b"));
  EXPECT_THAT(Texts(world.Plan()), ElementsAre("beta: create cgroup", "beta/a: create cgroup", "beta/a: bind policy 1",
                                               "beta/b: create cgroup", "beta/b: bind policy 1"));
}

TEST(MakePlan, RetiresAPolicyOnlyWhenItsLastTaskLeft) {
  PlanWorld world = Standing();
  world.Want(Task("acme", "db").Label("app", "db"));
  world.Perform(world.Plan());
  world.Want(Policy("acme", "db").Select("app", "db").Ingress());
  const auto steps = world.Plan();
  EXPECT_THAT(Texts(steps), ElementsAre("install policy 2 (4 prefixes)", "acme/db: bind policy 2"));
}

TEST(MakePlan, RemovedTaskIsKilledSampledRemovedAndForgotten) {
  PlanWorld world = Standing();
  world.want.tasks.clear();
  EXPECT_THAT(Texts(world.Plan({.tasks = {{"acme", "web"}}})),
              ElementsAre("acme/web: kill all processes", "acme/web: remove cgroup", "acme/web: unbind policy",
                          "release address 10.0.0.1", "retire policy 1"));
}

TEST(MakePlan, FreedSlotsAndIdsAreUsedAgain) {
  PlanWorld world = Standing();
  world.Want(Task("acme", "b"));
  world.Perform(world.Plan());
  world.want.tasks.erase({"acme", "web"});
  world.Perform(world.Plan({.tasks = {{"acme", "web"}}, .everything = true}));
  world.Want(Task("acme", "c"));
  const auto steps = world.Plan();
  const auto* bind = std::get_if<BindTask>(&steps.back());
  ASSERT_NE(bind, nullptr);
  EXPECT_EQ(bind->slot, 0U);
  EXPECT_TRUE(bind->fresh) << "the counters of the task before are not its own";
}

TEST(MakePlan, UnknownCgroupsKeepTheirWalls) {
  PlanWorld world = Standing();
  world.want = {};
  EXPECT_THAT(world.Plan(), IsEmpty());
}

TEST(MakePlan, WhatLeadsToNoCgroupGoes) {
  PlanWorld world = Standing();
  world.have.SetBinding(77, {76, 9, 5});
  world.have.SetPolicy(9, {1, 2});
  world.have.SetAddress(Address("10.0.0.9"), 77);
  EXPECT_THAT(Texts(world.Plan()),
              ElementsAre("cgroup 77: unbind policy", "release address 10.0.0.9", "retire policy 9"));
  EXPECT_THAT(world.Plan({.tasks = {{"acme", "web"}}}), IsEmpty()) << "not a task's business";
}

TEST(MakePlan, RecreatedCgroupIsBoundAnew) {
  PlanWorld world = Standing();
  world.have.EraseCgroup({"acme"});
  world.Perform(world.Plan());
  EXPECT_THAT(world.Plan(), IsEmpty());
  EXPECT_EQ(world.have.bindings().size(), 1U);
  EXPECT_EQ(world.have.OwnerOf(Address("10.0.0.1")), world.have.Cgroup({"acme/web"})->id);
}

TEST(MakePlan, AddressMovesBetweenTasksInEitherOrder) {
  for (const char* other : {"api", "zeta"}) {
    PlanWorld world = Standing();
    world.Want(Task("acme", "web").MemoryMax(64_MiB).PidsMax(10));
    world.Want(Task("acme", other).Addr("10.0.0.1"));
    world.Perform(world.Plan());
    EXPECT_EQ(world.have.OwnerOf(Address("10.0.0.1")), world.have.Cgroup({std::string("acme/") + other})->id);
    EXPECT_THAT(world.Plan(), IsEmpty());
  }
}

TEST(MakePlan, LimitThatTheHostCannotEnforceIsNotWritten) {
  PlanWorld world;
  world.limits.weaker[LimitKind::kPidsMax] = {LimitSupport::Level::kNone, "no pids controller"};
  world.Want(Tenant("acme").PidsMax(10));
  EXPECT_THAT(Texts(world.Plan()), ElementsAre("acme: create cgroup"));
}

TEST(MakePlan, CopiesOfATenantsCpusFollowItInsideIt) {
  PlanWorld world;
  world.limits.cpuset_v1 = true;
  world.Want(Tenant("acme").Cpus("0,1"));
  world.Want(Task("acme", "a"));
  world.Want(Task("acme", "b").Cpus("1"));
  world.Perform(world.Plan());
  EXPECT_EQ(world.have.Cgroup({"acme/a"})->limits.Get(LimitKind::kCpuCpus), LimitValue(Set("0-1")));

  world.Want(Tenant("acme").Cpus("1,2"));
  EXPECT_THAT(Texts(world.Plan({.tenants = {{"acme"}}})),
              ElementsAre("acme: cpu.cpus = 0-2", "acme/a: cpu.cpus = 1-2", "acme: cpu.cpus = 1-2"));
  world.Perform(world.Plan({.tenants = {{"acme"}}}));
  world.Want(Tenant("acme"));
  EXPECT_THAT(Texts(world.Plan({.tenants = {{"acme"}}, .widen_tenants_only = true})),
              ElementsAre("acme: cpu.cpus = all"));
  EXPECT_THAT(Texts(world.Plan({.tenants = {{"acme"}}})),
              ElementsAre("acme: cpu.cpus = all", "acme/a: cpu.cpus = all"));
  world.Perform(world.Plan({.tenants = {{"acme"}}}));
  EXPECT_THAT(world.Plan(), IsEmpty());
}

TEST(MakePlan, FullDataPlaneIsRefusedWithItsSize) {
  PlanWorld world = Standing();
  world.max_tasks = 1;
  world.Want(Task("acme", "b"));
  auto compiled = std::make_shared<const CompiledPolicy>();
  EXPECT_THAT(
      MakePlan(world.want, {{{"acme", "b"}, {compiled, {}}}}, world.have, {.tasks = {{"acme", "b"}}}, world.Host()),
      StatusIs(StatusCode::kResourceExhausted, HasSubstr("acme/b: the data plane holds 1 tasks")));
}

}  // namespace
}  // namespace bulkhead::test
