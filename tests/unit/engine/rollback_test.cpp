// Whatever step of a change fails, the kernel holds what it held before, and so does the state.
#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::IsEmpty;

struct Change {
  const char* name;
  std::vector<ObjectSpec> objects;
};

class Rollback : public ::testing::TestWithParam<Change> {};

void Prepare(FakeNode& node) {
  ASSERT_THAT(
      node.engine->Apply({Tenant("acme").MemoryMax(1_GiB).PidsMax(100),
                          Task("acme", "web").Label("app", "web").MemoryMax(64_MiB).PidsMax(10).Addr("10.0.0.1"),
                          Task("acme", "db").Label("app", "db").CpuMax(1),
                          Policy("acme", "web").Select("app", "web").Egress({Allow({Cidr("10.0.0.0/8")})})},
                         {}),
      IsOk());
  (void)node.tree.AddProcess({"acme/web"});
}

TEST_P(Rollback, EveryFailedStepLeavesTheKernelAsItWas) {
  int failures = 0;
  for (uint64_t n = 1; n < 100; ++n) {
    FakeNode node;
    Prepare(node);
    const Observed before = node.Kernel();
    const DesiredState desired = node.engine->desired();
    node.steps.FailAt(n, EIO);
    BULKHEAD_TEST_ASSIGN(const auto results, node.engine->Apply(GetParam().objects, {}));
    node.steps.Disarm();
    EXPECT_THAT(node.maps.Hazards(), IsEmpty());
    if (results[0].outcome != Outcome::kRefused) {
      // Past the last step, or a policy that could not be retired: that is the next tick's.
      node.engine->Reconcile();
      EXPECT_EQ(node.engine->StateOf(TaskId{"acme", "web"}).enforcement, Enforcement::kEnforced);
      const uint64_t steps = node.steps.count();
      node.engine->Reconcile();
      EXPECT_EQ(node.steps.count(), steps);
      if (node.EventsOf("repaired").empty()) break;
      continue;
    }
    ++failures;
    EXPECT_TRUE(node.Kernel() == before) << GetParam().name << " step " << n << ": " << results[0].error.ToString();
    EXPECT_EQ(ErrnoOf(results[0].error), EIO);
    EXPECT_TRUE(node.engine->desired() == desired);
    node.Start();
    EXPECT_TRUE(node.engine->desired() == desired) << "durable, too";
    EXPECT_TRUE(node.Kernel() == before);
    EXPECT_THAT(node.engine->Apply(GetParam().objects, {}), IsOk());
    EXPECT_EQ(node.engine->StateOf(TaskId{"acme", "web"}).enforcement, Enforcement::kEnforced);
  }
  EXPECT_GT(failures, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Changes, Rollback,
    ::testing::Values(
        Change{"NewTask",
               {Task("acme", "new")
                    .CpuMax(1)
                    .CpuWeight(50)
                    .MemoryMax(1_MiB)
                    .PidsMax(5)
                    .Addr("10.0.0.9")
                    .Label("app", "web")}},
        Change{"NewTenant", {Tenant("beta").CpuMax(1).CpuWeight(50).MemoryMax(1_MiB).PidsMax(5)}},
        Change{"ChangedTask",
               {Task("acme", "web").Label("app", "x").MemoryMax(32_MiB).PidsMax(20).CpuMax(2).Addr("10.0.0.2")}},
        Change{"WiderAndNarrowerTenant", {Tenant("acme").MemoryMax(512_MiB).PidsMax(200).CpuWeight(300)}},
        Change{"NewPolicy", {Policy("acme", "all").Ingress({Allow({Same()})}).Bind({"tcp/80"})}},
        Change{"ChangedPolicy", {Policy("acme", "web").Egress()}}),
    [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace bulkhead::test
