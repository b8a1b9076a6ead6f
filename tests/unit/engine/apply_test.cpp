#include <gmock/gmock.h>

#include "tests/support/evaluate.h"
#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const ApplyOptions kDryRun{.validate_only = true};
const ApplyOptions kPrune{.prune = true};

std::vector<ObjectSpec> Shop() {
  return {Tenant("acme").MemoryMax(1_GiB).PidsMax(100),
          Task("acme", "web").Label("app", "web").MemoryMax(64_MiB).PidsMax(10).Addr("10.0.0.1"),
          Policy("acme", "web").Select("app", "web").Egress({Allow({Cidr("10.0.0.0/8")}, {"tcp/443"})})};
}

std::vector<std::string> Outcomes(const Result<std::vector<ObjectResult>>& results) {
  const char* names[] = {"created", "changed", "unchanged", "refused", "pending", "deleted"};
  std::vector<std::string> texts;
  if (!results.ok()) return {results.status().ToString()};
  for (const ObjectResult& result : *results)
    texts.push_back(result.kind + " " + result.name + " " + names[static_cast<size_t>(result.outcome)]);
  return texts;
}

TEST(Apply, KernelEnforcesWhatWasAskedWhenItReturns) {
  FakeNode node;
  EXPECT_THAT(Outcomes(node.engine->Apply(Shop(), {})),
              ElementsAre("tenant acme created", "task acme/web created", "policy acme/web created"));
  EXPECT_THAT(node.tree.Paths(), ElementsAre("acme", "acme/web"));
  EXPECT_EQ(node.tree.LimitsAt("acme").Number(LimitKind::kMemoryMax), 1_GiB);
  EXPECT_EQ(node.tree.LimitsAt("acme/web").Number(LimitKind::kPidsMax), 10U);
  const CompiledPolicy* policy = node.PolicyOf("acme/web");
  ASSERT_NE(policy, nullptr);
  EXPECT_TRUE(Evaluate(*policy, {Direction::kEgress, Remote::kNoTask, Address("10.1.1.1"), 6, 443}).allow);
  EXPECT_FALSE(Evaluate(*policy, {Direction::kEgress, Remote::kNoTask, Address("10.1.1.1"), 6, 80}).allow);
  EXPECT_EQ(node.Kernel().OwnerOf(Address("10.0.0.1")), node.tree.IdOf("acme/web"));
  const ObjectState state = node.engine->StateOf(TaskId{"acme", "web"});
  EXPECT_EQ(state.enforcement, Enforcement::kEnforced) << ::testing::PrintToString(state.reasons);
  EXPECT_EQ(state.effective_limits.Number(LimitKind::kMemoryMax), 64_MiB);
  EXPECT_THAT(state.uid, SizeIs(32));
}

TEST(Apply, TheSameAgainDoesNothing) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  const uint64_t steps = node.steps.count();
  const auto again = node.engine->Apply(Shop(), {});
  EXPECT_THAT(Outcomes(again),
              ElementsAre("tenant acme unchanged", "task acme/web unchanged", "policy acme/web unchanged"));
  EXPECT_EQ(node.steps.count(), steps);
}

TEST(Apply, ValidateOnlySaysTheStepsAndDoesNone) {
  FakeNode node;
  const auto planned = node.engine->Apply(Shop(), kDryRun);
  EXPECT_THAT(Outcomes(planned),
              ElementsAre("tenant acme created", "task acme/web created", "policy acme/web created"));
  EXPECT_EQ(node.steps.count(), 0U);
  EXPECT_THAT(node.tree.Paths(), IsEmpty());
  EXPECT_TRUE(node.engine->desired().tenants.empty());
  const auto done = node.engine->Apply(Shop(), {});
  ASSERT_THAT(done, IsOk());
  for (size_t i = 0; i < done->size(); ++i) EXPECT_EQ((*planned)[i].steps, (*done)[i].steps);
}

TEST(Apply, LiveChangeTouchesOnlyWhatDiffers) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  const int pid = node.tree.AddProcess({"acme/web"});
  const auto results =
      node.engine->Apply({Task("acme", "web").Label("app", "web").MemoryMax(128_MiB).PidsMax(10).Addr("10.0.0.1")}, {});
  ASSERT_THAT(Outcomes(results), ElementsAre("task acme/web changed"));
  EXPECT_THAT((*results)[0].steps, ElementsAre("acme/web: memory.max = 134217728"));
  EXPECT_EQ(node.tree.WhereIs(pid), "acme/web");
}

TEST(Apply, TenantAndTaskNarrowBottomUpInOneBatch) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  const auto results =
      node.engine->Apply({Tenant("acme").MemoryMax(32_MiB).PidsMax(200),
                          Task("acme", "web").Label("app", "web").MemoryMax(16_MiB).PidsMax(150).Addr("10.0.0.1")},
                         {});
  ASSERT_THAT(Outcomes(results), ElementsAre("tenant acme changed", "task acme/web changed"));
  EXPECT_EQ(node.tree.LimitsAt("acme").Number(LimitKind::kMemoryMax), 32_MiB);
  EXPECT_EQ(node.tree.LimitsAt("acme").Number(LimitKind::kPidsMax), 200U);
}

TEST(Apply, PoliciesOfOneBatchFlipTogether) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  const auto results = node.engine->Apply(
      {Policy("acme", "deny").Ingress().Egress(), Policy("acme", "same").Ingress({Allow({Same()})})}, {});
  ASSERT_THAT(results, IsOk());
  EXPECT_THAT((*results)[0].steps, Contains("acme/web: bind policy 2"));
  EXPECT_THAT((*results)[1].steps, IsEmpty()) << "one flip for both";
  EXPECT_THAT(node.maps.Hazards(), IsEmpty());
}

TEST(Apply, KernelFailureStopsThereAndTellsTheRest) {
  FakeNode node;
  node.tree.FailNext("memory.max", EBUSY);
  const auto results = node.engine->Apply(
      {Tenant("acme"), Task("acme", "a"), Task("acme", "b").MemoryMax(1_MiB), Task("acme", "c")}, {});
  EXPECT_THAT(Outcomes(results),
              ElementsAre("tenant acme created", "task acme/a created", "task acme/b refused", "task acme/c refused"));
  EXPECT_THAT((*results)[2].error, StatusIs(StatusCode::kUnavailable, HasSubstr("acme/b: memory.max = 1048576")));
  EXPECT_THAT((*results)[2].error, StatusIs(StatusCode::kUnavailable, HasSubstr("busy")));
  EXPECT_EQ(ErrnoOf((*results)[2].error), EBUSY);
  EXPECT_THAT((*results)[3].error, StatusIs(StatusCode::kUnavailable, HasSubstr("task acme/b failed")));
  EXPECT_THAT(node.tree.Paths(), ElementsAre("acme", "acme/a"));
  node.Start();
  EXPECT_THAT(node.tree.Paths(), ElementsAre("acme", "acme/a")) << "what was refused does not come back";
}

TEST(Apply, WidenedTenantGoesBackWhenTheBatchStops) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  node.tree.FailNext("cpu.max", EINVAL);
  const auto results =
      node.engine->Apply({Tenant("acme").MemoryMax(2_GiB).PidsMax(50), Task("acme", "new").CpuMax(1)}, {});
  EXPECT_THAT(Outcomes(results), ElementsAre("tenant acme refused", "task acme/new refused"));
  EXPECT_EQ(node.tree.LimitsAt("acme").Number(LimitKind::kMemoryMax), 1_GiB);
  EXPECT_EQ(node.tree.LimitsAt("acme").Number(LimitKind::kPidsMax), 100U);
}

TEST(Apply, FullDataPlaneRefusesThePolicyAndKeepsTheOldOne) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  const CompiledPolicy before = *node.PolicyOf("acme/web");
  node.maps.SetCapacity({.prefixes = 8});
  std::vector<Peer> peers;
  for (int i = 0; i < 20; ++i) peers.push_back(Cidr("192.0.2." + std::to_string(2 * i) + "/32"));
  const auto results = node.engine->Apply({Policy("acme", "list").Egress({Allow(peers)})}, {});
  EXPECT_THAT(Outcomes(results), ElementsAre("policy acme/list refused"));
  EXPECT_THAT((*results)[0].error, StatusIs(StatusCode::kResourceExhausted, HasSubstr("prefixes")));
  EXPECT_EQ(*node.PolicyOf("acme/web"), before);
  EXPECT_FALSE(node.engine->desired().policies.contains({"acme", "list"}));
}

TEST(Prune, RemovesWhatIsNotInTheSetTasksBeforeTenants) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  ASSERT_THAT(node.engine->Apply({Tenant("beta"), Task("beta", "x")}, {}), IsOk());
  const int pid = node.tree.AddProcess({"acme/web"});
  const auto results = node.engine->Apply({Tenant("beta"), Task("beta", "x")}, kPrune);
  EXPECT_THAT(Outcomes(results), ElementsAre("tenant beta unchanged", "task beta/x unchanged", "tenant acme deleted",
                                             "task acme/web deleted", "policy acme/web deleted"));
  EXPECT_THAT(node.tree.Paths(), ElementsAre("beta", "beta/x"));
  EXPECT_EQ(node.tree.WhereIs(pid), "dead");
  EXPECT_THAT(node.Kernel().policies(), SizeIs(1));
}

TEST(Delete, TaskIsKilledSampledAndForgotten) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  const int pid = node.tree.AddProcess({"acme/web"});
  const LiveTask live = node.engine->LiveTasks().at(0);
  ASSERT_THAT(node.engine->Delete("task", "acme/web"), IsOk());
  EXPECT_EQ(node.tree.WhereIs(pid), "dead");
  EXPECT_THAT(node.tree.Paths(), ElementsAre("acme"));
  EXPECT_THAT(node.sampled, ElementsAre(live));
  EXPECT_THAT(node.engine->LiveTasks(), IsEmpty());
  EXPECT_THAT(node.Kernel().bindings(), IsEmpty());
  EXPECT_THAT(node.Kernel().addresses(), IsEmpty());
  EXPECT_THAT(node.engine->Delete("task", "acme/web"), StatusIs(StatusCode::kNotFound, HasSubstr("acme/web")));
}

TEST(Delete, TenantWithTasksPoliciesOrForeignCgroupsIsRefused) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  EXPECT_THAT(node.engine->Delete("tenant", "acme"), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("acme/web")));
  ASSERT_THAT(node.engine->Delete("task", "acme/web"), IsOk());
  EXPECT_THAT(node.engine->Delete("tenant", "acme"), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("policy")));
  ASSERT_THAT(node.engine->Delete("policy", "acme/web"), IsOk());
  ASSERT_THAT(node.tree.Create({"acme/foreign"}), IsOk());
  node.engine->Reconcile();
  EXPECT_THAT(node.engine->Delete("tenant", "acme"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("acme/foreign")));
  EXPECT_THAT(node.tree.Paths(), ElementsAre("acme", "acme/foreign"));
  ASSERT_THAT(node.tree.Remove({"acme/foreign"}), IsOk());
  node.engine->Reconcile();
  EXPECT_THAT(node.engine->Delete("tenant", "acme"), IsOk());
  EXPECT_THAT(node.tree.Paths(), IsEmpty());
}

TEST(Delete, PolicyGivesItsTasksBackToTheBaseline) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  ASSERT_THAT(node.engine->Delete("policy", "acme/web"), IsOk());
  EXPECT_TRUE(
      Evaluate(*node.PolicyOf("acme/web"), {Direction::kEgress, Remote::kNoTask, Address("10.1.1.1"), 6, 80}).allow);
  EXPECT_THAT(node.Kernel().policies(), SizeIs(1));
}

TEST(Delete, UnknownKindIsBadInput) {
  FakeNode node;
  EXPECT_THAT(node.engine->Delete("pod", "x"), StatusIs(StatusCode::kInvalidArgument, HasSubstr("pod")));
}

TEST(Attach, MovesEachProcessAndSaysWhichDidNotMove) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  const int pid = node.tree.AddProcessElsewhere();
  BULKHEAD_TEST_ASSIGN(const auto outcomes, node.engine->Attach({"acme", "web"}, {pid + 1, pid}));
  ASSERT_THAT(outcomes, SizeIs(2));
  EXPECT_THAT(outcomes[0].error, StatusIs(StatusCode::kNotFound, HasSubstr(std::to_string(pid + 1))));
  EXPECT_THAT(outcomes[1].error, IsOk());
  EXPECT_EQ(node.tree.WhereIs(pid), "acme/web");
  EXPECT_TRUE(node.engine->StateOf(TaskId{"acme", "web"}).populated);
}

TEST(Attach, NoProcessEntersATaskWithoutWalls) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());
  const int pid = node.tree.AddProcessElsewhere();
  node.maps.DetachBehind("task_egress");
  EXPECT_THAT(node.engine->Attach({"acme", "web"}, {pid}),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("task_egress")));
  EXPECT_EQ(node.tree.WhereIs(pid), "elsewhere");
  EXPECT_THAT(node.engine->Attach({"acme", "nope"}, {pid}), StatusIs(StatusCode::kNotFound, HasSubstr("acme/nope")));
}

}  // namespace
}  // namespace bulkhead::test
