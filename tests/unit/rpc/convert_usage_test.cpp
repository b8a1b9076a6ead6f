#include <random>

#include <gmock/gmock.h>

#include "agent/rpc/convert.h"

namespace bulkhead {
namespace {

UsageRecord SampleRecord(std::mt19937_64& random) {
  UsageRecord record;
  record.sequence = 1 + random() % 1000;
  record.boot_id = "boot";
  record.task = {"acme", "web-1"};
  record.task_uid = "uid";
  record.cgroup_id = random();
  record.start_boot = BootTime(static_cast<int64_t>(random() % 1'000'000'000'000));
  record.end_boot = record.start_boot + BootTime(static_cast<int64_t>(random() % 1'000'000'000));
  record.start_wall = WallTime(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  record.end_wall = record.start_wall + std::chrono::nanoseconds(random() % 1'000'000'000);
  UsageReading& counters = record.totals.counters;
  counters.at = record.end_boot;
  for (uint64_t* counter : {&counters.cpu_ns, &counters.throttled_ns, &counters.throttled_periods,
                            &counters.memory_bytes, &counters.memory_peak_bytes, &counters.oom_kills, &counters.pids,
                            &counters.pids_failures, &record.totals.memory_byte_seconds})
    *counter = random();
  for (auto& direction : counters.network.passed)
    for (auto& scope : direction)
      if (random() % 2) scope = {random(), 1 + random() % 1000};
  for (auto& direction : counters.network.dropped)
    for (size_t reason = 1; reason < kDropReasons; ++reason) direction[reason] = random() % 2 ? random() : 0;
  record.first = random() % 2;
  record.final = random() % 2;
  record.estimated = random() % 2;
  return record;
}

void ExpectSame(const UsageRecord& a, const UsageRecord& b) {
  EXPECT_EQ(std::tie(a.sequence, a.boot_id, a.task, a.task_uid, a.cgroup_id, a.start_wall, a.end_wall, a.start_boot,
                     a.end_boot, a.first, a.final, a.estimated),
            std::tie(b.sequence, b.boot_id, b.task, b.task_uid, b.cgroup_id, b.start_wall, b.end_wall, b.start_boot,
                     b.end_boot, b.first, b.final, b.estimated));
  const UsageReading &x = a.totals.counters, &y = b.totals.counters;
  EXPECT_EQ(std::tie(x.at, x.cpu_ns, x.throttled_ns, x.throttled_periods, x.memory_bytes, x.memory_peak_bytes,
                     x.oom_kills, x.pids, x.pids_failures, x.network, a.totals.memory_byte_seconds),
            std::tie(y.at, y.cpu_ns, y.throttled_ns, y.throttled_periods, y.memory_bytes, y.memory_peak_bytes,
                     y.oom_kills, y.pids, y.pids_failures, y.network, b.totals.memory_byte_seconds));
}

TEST(EncodeRecord, RandomRecordsComeBackUnchanged) {
  std::mt19937_64 random(42);
  for (int round = 0; round < 500; ++round) {
    const UsageRecord record = SampleRecord(random);
    const v1::UsageRecord encoded = EncodeRecord(record, "node-1");
    EXPECT_EQ(encoded.node_id(), "node-1");
    const auto back = DecodeRecord(encoded);
    ASSERT_TRUE(back.ok()) << back.status();
    ExpectSame(*back, record);
  }
}

TEST(EncodeUsage, OnlyWhatWasCountedIsWritten) {
  UsageReading reading;
  reading.cpu_ns = 5;
  reading.network.passed[1][static_cast<size_t>(Scope::kInternet)] = {1500, 1};
  reading.network.dropped[0][static_cast<size_t>(DropReason::kPolicy)] = 3;
  EXPECT_EQ(EncodeUsage(reading).ShortDebugString(),
            "cpu_ns: 5 traffic { direction: TRAFFIC_DIRECTION_EGRESS scope: \"internet\" bytes: 1500 packets: 1 } "
            "drops { direction: TRAFFIC_DIRECTION_INGRESS reason: \"policy\" packets: 3 }");
}

TEST(DecodeRecord, ALyingSenderIsRefusedByField) {
  std::mt19937_64 random(1);
  const v1::UsageRecord good = EncodeRecord(SampleRecord(random), "node-1");
  const auto error = [&](const auto& spoil) {
    v1::UsageRecord record = good;
    record.set_sequence(9);
    spoil(record);
    const auto decoded = DecodeRecord(record);
    return decoded.ok() ? std::string("(accepted)") : Message(decoded.status());
  };
  EXPECT_EQ(error([](auto&) {}), "(accepted)");
  EXPECT_EQ(error([](auto& r) { r.set_sequence(0); }), "usage record 0: sequence: must be 1 or more");
  EXPECT_EQ(error([](auto& r) { r.clear_boot_id(); }), "usage record 9: boot_id: is empty");
  EXPECT_EQ(error([](auto& r) { r.clear_task_uid(); }), "usage record 9: task_uid: is empty");
  EXPECT_THAT(error([](auto& r) { r.set_tenant("../x"); }),
              testing::StartsWith("usage record 9: tenant: \"../x\" is not a name"));
  EXPECT_THAT(error([](auto& r) { r.set_end_boot_ns(0), r.set_start_boot_ns(1); }),
              "usage record 9: end_boot_ns: 0 is out of range or before start_boot_ns 1");
  EXPECT_THAT(error([](auto& r) { r.set_end_boot_ns(UINT64_MAX); }), testing::HasSubstr("end_boot_ns: 1844674"));
  EXPECT_EQ(error([](auto& r) { r.mutable_end_time()->set_seconds(INT64_MAX); }),
            "usage record 9: end_time: out of range");
  EXPECT_EQ(error([](auto& r) {
              r.mutable_usage()->clear_traffic();
              r.mutable_usage()->add_traffic()->set_direction(v1::TRAFFIC_DIRECTION_EGRESS);
            }),
            "usage record 9: usage.traffic[0].scope: \"\" is not known");
  EXPECT_EQ(error([](auto& r) {
              r.mutable_usage()->clear_drops();
              r.mutable_usage()->add_drops()->set_reason("policy");
            }),
            "usage record 9: usage.drops[0].direction: 0 is neither ingress nor egress");
  EXPECT_EQ(error([](auto& r) {
              r.mutable_usage()->clear_drops();
              for (int i = 0; i < 2; ++i) {
                v1::Drops& drops = *r.mutable_usage()->add_drops();
                drops.set_direction(v1::TRAFFIC_DIRECTION_EGRESS);
                drops.set_reason("bind");
                drops.set_packets(1);
              }
            }),
            "usage record 9: usage.drops[1]: this direction and reason came twice");
}

}  // namespace
}  // namespace bulkhead
