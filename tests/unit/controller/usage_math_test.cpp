#include "controller/usage_math.h"

#include <gmock/gmock.h>

namespace bulkhead {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

void AddTraffic(v1::Usage& usage, const char* scope, uint64_t bytes) {
  v1::Traffic& traffic = *usage.add_traffic();
  traffic.set_direction(v1::TRAFFIC_DIRECTION_EGRESS);
  traffic.set_scope(scope);
  traffic.set_bytes(bytes);
  traffic.set_packets(1);
}

TEST(UsageMath, EveryCounterIsWatchedForGoingDown) {
  v1::Usage before;
  before.set_cpu_ns(5);
  AddTraffic(before, "host", 10);
  v1::Usage now = before;
  EXPECT_THAT(WentDown(before, now), IsEmpty());
  now.set_cpu_ns(4);
  EXPECT_THAT(WentDown(before, now), HasSubstr("cpu_ns went down from 5 to 4"));
  now = before;
  now.mutable_traffic(0)->set_scope("internet");  // what was there is missing now
  EXPECT_THAT(WentDown(before, now), HasSubstr("traffic bytes of host"));
  now = before;
  now.set_memory_bytes(0);  // a gauge
  EXPECT_THAT(WentDown(before, now), IsEmpty());
}

TEST(UsageMath, AddingMatchesScopesWhateverTheirOrder) {
  v1::Usage total;
  v1::Usage other;
  AddTraffic(total, "host", 1);
  AddTraffic(total, "private", 2);
  AddTraffic(other, "private", 20);
  AddTraffic(other, "internet", 40);
  other.set_memory_byte_seconds(7);
  AddCounters(total, other);
  ASSERT_EQ(total.traffic_size(), 3);
  EXPECT_EQ(total.traffic(1).bytes(), 22u);
  EXPECT_EQ(total.traffic(1).packets(), 2u);
  EXPECT_EQ(total.traffic(2).bytes(), 40u);
  EXPECT_EQ(total.memory_byte_seconds(), 7u);
}

TEST(UsageMath, MergingLedgersDoublesNothing) {
  v1::Usage older;
  v1::Usage newer;
  older.set_cpu_ns(10);
  newer.set_cpu_ns(30);
  older.set_memory_byte_seconds(100);
  newer.set_memory_byte_seconds(5);
  older.set_pids(9);
  newer.set_pids(2);
  AddTraffic(older, "host", 8);
  const v1::Usage merged = Merge(older, newer);
  EXPECT_EQ(merged.cpu_ns(), 30u);
  EXPECT_EQ(merged.memory_byte_seconds(), 105u);
  EXPECT_EQ(merged.pids(), 2u);
  EXPECT_EQ(merged.traffic(0).bytes(), 8u);
}

}  // namespace
}  // namespace bulkhead
