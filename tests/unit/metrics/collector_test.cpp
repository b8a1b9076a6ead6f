#include "agent/metrics/collector.h"

#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/fake_usage_source.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// A node whose metrics can be taken.
struct Watched {
  Watched() {
    auto opened = EventLoop::Create(7);
    loop = *std::move(opened);
    auto book = Ledger::Open(node.directory / "ledger.db", "boot", 1 << 20);
    ledger = *std::move(book);
    sampler = std::make_unique<Sampler>(usage, *ledger, node.clock, "boot");
    collector = std::make_unique<MetricsCollector>(MetricsCollector::Parts{
        .engine = *node.engine,
        .events = *node.events,
        .ledger = *ledger,
        .sampler = *sampler,
        .loop = *loop,
        .clock = node.clock,
        .read_tenant = [](const TenantId&) -> Result<UsageReading> { return UsageReading{.cpu_ns = 77}; },
        .map_use =
            [] {
              return std::vector<MapUse>{{"tasks", 1, 2}};
            },
        .unknown = []() -> Result<NetworkCounters> { return NotFound("none"); },
        .attached = [this] { return node.maps.CheckAttached().ok(); },
        .fill = [](MetricsSnapshot& snapshot) { snapshot.ready = true; }});
  }
  FakeNode node;
  FakeUsageSource usage{node.clock};
  std::unique_ptr<EventLoop> loop;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<MetricsCollector> collector;
};

TEST(MetricsCollector, TakesWhatIsWantedAndWhatTheKernelHolds) {
  Watched watched;
  ASSERT_THAT(watched.node.engine->Apply({Tenant("acme").PidsMax(9), Task("acme", "web").MemoryMax(64_MiB)}, {}),
              IsOk());
  const MetricsSnapshot snapshot = watched.collector->Collect();
  ASSERT_EQ(snapshot.tasks.size(), 1U);
  EXPECT_EQ(snapshot.tasks[0].wanted.Number(LimitKind::kMemoryMax), 64_MiB);
  EXPECT_EQ(snapshot.tasks[0].held.Number(LimitKind::kMemoryMax), 64_MiB);
  EXPECT_EQ(snapshot.tasks[0].enforcement, Enforcement::kEnforced);
  EXPECT_FALSE(snapshot.tasks[0].usage) << "nothing was sampled yet";
  ASSERT_EQ(snapshot.tenants.size(), 1U);
  EXPECT_EQ(snapshot.tenants[0].held.Number(LimitKind::kPidsMax), 9U);
  EXPECT_EQ(snapshot.tenants[0].usage->counters.cpu_ns, 77U);
  EXPECT_EQ(snapshot.enforcement, Enforcement::kEnforced);
  EXPECT_TRUE(snapshot.attached && snapshot.ready);
  EXPECT_EQ(snapshot.inbox_capacity, 7U);
}

TEST(MetricsCollector, SaysWhatTheLastReconciliationCouldNotRepair) {
  Watched watched;
  ASSERT_THAT(watched.node.engine->Apply({Tenant("acme"), Task("acme", "web").MemoryMax(64_MiB)}, {}), IsOk());
  watched.node.tree.WriteBehind({"acme/web"}, LimitKind::kMemoryMax, 1_MiB);
  watched.node.tree.FailNext("memory.max", EIO);
  watched.node.engine->Reconcile();
  const MetricsSnapshot snapshot = watched.collector->Collect();
  EXPECT_EQ(snapshot.tasks[0].enforcement, Enforcement::kDegraded);
  EXPECT_EQ(snapshot.tasks[0].held.Number(LimitKind::kMemoryMax), 1_MiB);
  EXPECT_EQ(snapshot.engine.steps.failed, 1U);
  watched.node.engine->Reconcile();
  EXPECT_EQ(watched.collector->Collect().tasks[0].enforcement, Enforcement::kEnforced);
  EXPECT_EQ(watched.collector->Collect().engine.repairs, 1U);
}

TEST(MetricsCollector, CountsStepsEventsAndTime) {
  Watched watched;
  ASSERT_THAT(watched.node.engine->Apply({Tenant("acme"), Task("acme", "web")}, {}), IsOk());
  ASSERT_THAT(watched.node.engine->Apply({Task("acme", "db")}, {.validate_only = true}), IsOk());
  const MetricsSnapshot snapshot = watched.collector->Collect();
  const auto create =
      std::find(kStepKinds.begin(), kStepKinds.end(), std::string("create_cgroup")) - kStepKinds.begin();
  EXPECT_EQ(snapshot.engine.steps.done[static_cast<size_t>(create)], 2U) << "what is only planned does not count";
  EXPECT_THAT(snapshot.events, ElementsAre(Pair("created", 2), Pair("recovered", 1)));
  EXPECT_EQ(snapshot.engine.apply.counts()[0], 1U);
  EXPECT_EQ(watched.collector->Collect().collects.counts()[0], 1U);
}

}  // namespace
}  // namespace bulkhead::test
