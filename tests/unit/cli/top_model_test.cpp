#include "agent/cli/top_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bulkhead::cli {
namespace {

using ::testing::HasSubstr;

void AddTask(Snapshot& snapshot, const std::string& name, int64_t at, uint64_t cpu_ns, uint64_t memory) {
  v1::GetTaskResponse& task = *snapshot.tasks.add_tasks();
  task.mutable_task()->set_tenant("acme");
  task.mutable_task()->set_name(name);
  task.mutable_status()->set_uid("uid-" + name);
  task.mutable_usage_time()->set_seconds(at);
  task.mutable_usage()->set_cpu_ns(cpu_ns);
  task.mutable_usage()->set_memory_bytes(memory);
}

Snapshot At(int64_t at, uint64_t a, uint64_t b) {
  Snapshot snapshot;
  snapshot.tenants.add_tenants()->mutable_tenant()->set_name("acme");
  AddTask(snapshot, "a", at, a, 100);
  AddTask(snapshot, "b", at, b, 50);
  return snapshot;
}

TEST(Top, RatesAreOverTheTimeBetweenSamples) {
  const auto rows = MakeRows(At(100, 0, 5'000'000'000), At(104, 2'000'000'000, 9'000'000'000), SortBy::kCpu);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].name, "acme");
  EXPECT_DOUBLE_EQ(*rows[0].cpus, 1.5);
  EXPECT_EQ(rows[1].name, "acme/b");
  EXPECT_DOUBLE_EQ(*rows[1].cpus, 1.0);
  EXPECT_DOUBLE_EQ(*rows[2].cpus, 0.5);
}

TEST(Top, TheSameSampleTwiceHasNoRate) {
  const auto rows = MakeRows(At(100, 1, 1), At(100, 1, 1), SortBy::kMemory);
  EXPECT_EQ(rows[1].name, "acme/a");
  EXPECT_FALSE(rows[1].cpus.has_value());
  EXPECT_THAT(MakeTable(rows).ToString(100, false), HasSubstr("acme/a"));
}

}  // namespace
}  // namespace bulkhead::cli
