// kill -9 at every change of the kernel: after the restart every object is as it was or as it was asked to be, nothing
// leaks, nobody was ever judged by a policy that is not there.
#include <functional>

#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

std::vector<ObjectSpec> Before() {
  return {Tenant("acme").MemoryMax(1_GiB).PidsMax(100),
          Task("acme", "web").Label("app", "web").MemoryMax(64_MiB).PidsMax(10).Addr("10.0.0.1"),
          Task("acme", "old").MemoryMax(64_MiB),
          Policy("acme", "web").Select("app", "web").Egress({Allow({Cidr("10.0.0.0/8")})})};
}

std::vector<ObjectSpec> After() {
  return {Tenant("acme").MemoryMax(512_MiB).PidsMax(200),
          Task("acme", "web").Label("app", "web").MemoryMax(32_MiB).PidsMax(20).Addr("10.0.0.2"),
          Policy("acme", "web").Select("app", "web").Egress({Allow({Cidr("192.0.2.0/24")})}), Tenant("beta").CpuMax(2),
          Task("beta", "new").CpuWeight(300).Addr("10.0.0.1")};
}

std::vector<std::string> PathsOf(const DesiredState& desired) {
  std::set<std::string> paths;
  for (const auto& [id, tenant] : desired.tenants) paths.insert(id.name);
  for (const auto& [id, task] : desired.tasks) paths.insert(id.ToString());
  return {paths.begin(), paths.end()};
}

void ExpectSettled(FakeNode& node, const std::string& where) {
  EXPECT_THAT(node.recovered, IsOk()) << where;
  EXPECT_THAT(node.tree.Paths(), ElementsAreArray(PathsOf(node.engine->desired()))) << where;
  EXPECT_THAT(node.maps.Hazards(), IsEmpty()) << where;
  EXPECT_EQ(node.Kernel().bindings().size(), node.engine->desired().tasks.size()) << where;
  const uint64_t steps = node.steps.count();
  node.engine->Reconcile();
  EXPECT_EQ(node.steps.count(), steps) << where << ": the second plan is not empty";
  for (const auto& [id, task] : node.engine->desired().tasks)
    EXPECT_EQ(node.engine->StateOf(id).enforcement, Enforcement::kEnforced) << where << " " << id.ToString();
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kEnforced) << where;
}

// Runs `change` with a crash at every step, before it and after it. Returns how many crashes there were.
int CrashEverywhere(const std::function<void(FakeNode&)>& change,
                    const std::function<void(FakeNode&, const std::string&)>& check) {
  int crashes = 0;
  for (bool after : {false, true}) {
    for (uint64_t n = 1; n < 200; ++n) {
      FakeNode node;
      EXPECT_THAT(node.engine->Apply(Before(), {}), IsOk());
      const int pid = node.tree.AddProcess({"acme/web"});
      const std::string uid = node.engine->StateOf(TaskId{"acme", "web"}).uid;
      const uint64_t cgroup_id = node.tree.IdOf("acme/web");
      const std::string where = (after ? "after step " : "before step ") + std::to_string(n);
      if (after)
        node.steps.CrashAfter(n);
      else
        node.steps.CrashBefore(n);
      bool crashed = false;
      try {
        change(node);
      } catch (const SimulatedCrash&) {
        crashed = true;
      }
      node.steps.Disarm();
      if (!crashed) break;
      ++crashes;
      node.Start();
      ExpectSettled(node, where);
      EXPECT_EQ(node.tree.WhereIs(pid), "acme/web") << where;
      EXPECT_EQ(node.tree.IdOf("acme/web"), cgroup_id) << where;
      EXPECT_EQ(node.engine->StateOf(TaskId{"acme", "web"}).uid, uid) << where;
      check(node, where);
    }
  }
  return crashes;
}

TEST(Crash, ApplyIsCompletedByRecoverFromEveryStep) {
  const int crashes = CrashEverywhere(
      [](FakeNode& node) { (void)node.engine->Apply(After(), {.prune = true}); },
      [](FakeNode& node, const std::string& where) {
        EXPECT_THAT(node.tree.Paths(), ::testing::ElementsAre("acme", "acme/web", "beta", "beta/new")) << where;
        EXPECT_EQ(node.tree.LimitsAt("acme").Number(LimitKind::kMemoryMax), 512_MiB) << where;
      });
  EXPECT_GT(crashes, 30);
}

TEST(Crash, DeleteIsCompletedByRecoverFromEveryStep) {
  const int crashes = CrashEverywhere([](FakeNode& node) { (void)node.engine->Delete("task", "acme/old"); },
                                      [](FakeNode& node, const std::string& where) {
                                        EXPECT_THAT(node.tree.Paths(), ::testing::ElementsAre("acme", "acme/web"))
                                            << where;
                                      });
  EXPECT_GE(crashes, 6);
}

TEST(Crash, CrashDuringRecoverIsRecoveredToo) {
  for (uint64_t n = 1; n < 200; ++n) {
    FakeNode node;
    ASSERT_THAT(node.engine->Apply(Before(), {}), IsOk());
    node.tree.RemoveBehind({"acme"});
    node.steps.CrashBefore(n);
    bool crashed = false;
    try {
      node.Start();
    } catch (const SimulatedCrash&) {
      crashed = true;
    }
    node.steps.Disarm();
    if (!crashed) {
      EXPECT_GT(n, 10U);
      break;
    }
    node.Start();
    ExpectSettled(node, "step " + std::to_string(n));
  }
}

TEST(Crash, BeforeTheStateIsSavedNothingHasHappened) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Before(), {}), IsOk());
  const Observed kernel = node.Kernel();
  const DesiredState desired = node.engine->desired();
  node.crash_while_saving = true;
  EXPECT_THROW((void)node.engine->Apply(After(), {}), SimulatedCrash);
  node.crash_while_saving = false;
  node.Start();
  EXPECT_TRUE(node.Kernel() == kernel);
  EXPECT_TRUE(node.engine->desired() == desired);
}

}  // namespace
}  // namespace bulkhead::test
