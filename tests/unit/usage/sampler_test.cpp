#include "agent/usage/sampler.h"

#include <cerrno>

#include "tests/support/fake_clock.h"
#include "tests/support/fake_usage_source.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace bulkhead {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using test::IsOk;
using test::StatusIs;
using ::testing::_;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = 1 << 20;

class SamplerTest : public ::testing::Test {
 protected:
  SamplerTest() { Restart(); }
  // As after kill -9: nothing of the agent's memory is left, the kernel's counters are.
  void Restart(const std::string& boot = "boot-1") {
    sampler_.reset();
    ledger_.reset();
    source_ = std::make_unique<FakeUsageSource>(clock_);
    for (const auto& [path, reading] : kernel_) source_->Set(path, reading);
    auto ledger = Ledger::Open(dir_ / "ledger.db", boot, 1 << 28);
    ASSERT_THAT(ledger, IsOk());
    ledger_ = *std::move(ledger);
    sampler_ = std::make_unique<Sampler>(*source_, *ledger_, clock_, boot);
    ASSERT_THAT(sampler_->Recover(), IsOk());
  }
  static LiveTask Task(const std::string& name, uint64_t cgroup_id = 42, uint32_t slot = 1) {
    return LiveTask{{"acme", name}, "uid-" + name, cgroup_id, slot};
  }
  UsageReading& Kernel(const std::string& name) { return kernel_[PathOf(TaskId{"acme", name})]; }
  void Tick(const std::vector<LiveTask>& tasks, seconds after = seconds(1)) {
    clock_.Advance(after);
    for (const auto& [path, reading] : kernel_) source_->Set(path, reading);
    ASSERT_THAT(sampler_->Tick(tasks), IsOk());
  }
  // web was metered at 100 ns of CPU; its last reading, of 150 ns, comes while somebody holds the ledger's lock.
  void RefuseFinal() {
    Kernel("web").cpu_ns = 100;
    Tick({Task("web")});
    Kernel("web").cpu_ns = 150;
    source_->Set(PathOf(TaskId{"acme", "web"}), Kernel("web"));
    auto other = Database::Open(dir_ / "ledger.db");
    BULKHEAD_TEST_ASSIGN(const Transaction lock, Transaction::Begin(**other));
    EXPECT_THAT(sampler_->Final(Task("web")), StatusIs(StatusCode::kUnavailable, _));
  }
  std::vector<UsageRecord> Records() { return ledger_->ReadAfter(0, 1'000'000).value(); }
  UsageRecord Newest() { return Records().back(); }

  test::TempDir dir_;
  FakeClock clock_;
  std::map<CgroupPath, UsageReading> kernel_;
  std::unique_ptr<FakeUsageSource> source_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Sampler> sampler_;
};

TEST_F(SamplerTest, AStreamHasAFirstRecordGrowsAndHasAFinalOne) {
  Kernel("web").cpu_ns = 10;
  Kernel("web").network.passed[1][0] = {100, 1};
  Tick({Task("web")});
  Kernel("web").cpu_ns = 25;
  Tick({Task("web")});
  Kernel("web").cpu_ns = 30;
  source_->Set(PathOf(TaskId{"acme", "web"}), Kernel("web"));
  ASSERT_THAT(sampler_->Final(Task("web")), IsOk());

  const auto records = Records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_TRUE(records[0].first && !records[0].final);
  EXPECT_EQ(records[0].totals.counters.cpu_ns, 10u);
  EXPECT_EQ(records[0].totals.counters.network.passed[1][0].bytes, 100u);
  EXPECT_TRUE(!records[1].first && !records[1].final);
  EXPECT_EQ(records[1].end_boot - records[0].end_boot, seconds(1));
  EXPECT_TRUE(!records[2].first && records[2].final && !records[2].estimated);
  EXPECT_EQ(records[2].totals.counters.cpu_ns, 30u);
  EXPECT_EQ(sampler_->Latest({"acme", "web"}), nullptr);
  EXPECT_FALSE(source_->IsTracked(PathOf(TaskId{"acme", "web"})));
  Tick({});
  EXPECT_EQ(Records().size(), 3u);
}

TEST_F(SamplerTest, ATaskThatLivedBetweenTwoTicksIsCounted) {
  Kernel("job").cpu_ns = 20'000'000;
  source_->Set(PathOf(TaskId{"acme", "job"}), Kernel("job"));
  ASSERT_THAT(sampler_->Final(Task("job")), IsOk());
  ASSERT_EQ(Records().size(), 1u);
  EXPECT_TRUE(Newest().first && Newest().final && !Newest().estimated);
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 20'000'000u);
}

TEST_F(SamplerTest, MemoryIsIntegratedOverTheBootClock) {
  Kernel("web").memory_bytes = 10 * kMiB;
  Kernel("web").cpu_ns = 1;
  Tick({Task("web")});
  clock_.JumpWall(hours(-1));
  Kernel("web").memory_bytes = 30 * kMiB;
  Kernel("web").cpu_ns = 2;
  Tick({Task("web")}, seconds(10));
  EXPECT_EQ(Newest().totals.memory_byte_seconds, 200 * kMiB);
  EXPECT_EQ(sampler_->Latest({"acme", "web"})->memory_byte_seconds, 200 * kMiB);
}

TEST_F(SamplerTest, TerabytesOverDaysDoNotOverflow) {
  Kernel("db").memory_bytes = 4ULL << 40;
  Tick({Task("db")});
  Tick({Task("db")}, std::chrono::days(30));
  EXPECT_EQ(Newest().totals.memory_byte_seconds, (4ULL << 40) * 30 * 86'400);
}

TEST_F(SamplerTest, AnIdleTaskIsRecordedOnceAMinuteAndKeepsItsMemoryIntegral) {
  Kernel("web").memory_bytes = kMiB;
  for (int tick = 0; tick <= 600; ++tick) Tick({Task("web")});
  EXPECT_EQ(Records().size(), 11u);
  EXPECT_EQ(sampler_->Latest({"acme", "web"})->memory_byte_seconds, 600 * kMiB);
  EXPECT_EQ(Newest().totals.memory_byte_seconds, 600 * kMiB);
}

TEST_F(SamplerTest, ARestartContinuesTheStreamWithoutLossOrDoubleCount) {
  Kernel("web").cpu_ns = 100;
  Kernel("web").memory_bytes = kMiB;
  Kernel("web").network.passed[0][4] = {1000, 10};
  Tick({Task("web")});
  for (int restart = 0; restart < 3; ++restart) {
    Restart();
    Kernel("web").cpu_ns += 50;
    Kernel("web").network.passed[0][4].bytes += 500;
    Tick({Task("web")}, seconds(30));
  }
  const UsageRecord newest = Newest();
  EXPECT_EQ(newest.totals.counters.cpu_ns, 250u);
  EXPECT_EQ(newest.totals.counters.network.passed[0][4].bytes, 2500u);
  EXPECT_EQ(newest.totals.memory_byte_seconds, 90 * kMiB);
  EXPECT_FALSE(newest.first || newest.final);
  EXPECT_EQ(newest.start_boot, Records().front().start_boot);
}

TEST_F(SamplerTest, CountersThatStartOverNeitherLoseNorDouble) {
  Kernel("web").cpu_ns = 100;
  Tick({Task("web")});
  Kernel("web").cpu_ns = 7;
  Tick({Task("web")});
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 107u);
  Restart();
  Kernel("web").cpu_ns = 9;
  Tick({Task("web")});
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 109u);
  Restart();
  Kernel("web").cpu_ns = 1;
  Tick({Task("web")});
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 110u);
}

TEST_F(SamplerTest, AnotherSlotStartsTheNetworkCountersOver) {
  Kernel("web").network.dropped[1][2] = 5;
  Kernel("web").cpu_ns = 5;
  Tick({Task("web", 42, 1)});
  Kernel("web").network.dropped[1][2] = 6;  // of the new slot: more than the old one had
  Tick({Task("web", 42, 2)});
  EXPECT_EQ(Newest().totals.counters.network.dropped[1][2], 11u);
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 5u);
  Restart();
  Tick({Task("web", 42, 2)}, seconds(60));
  EXPECT_EQ(Newest().totals.counters.network.dropped[1][2], 11u);
}

TEST_F(SamplerTest, ARemadeCgroupIsAnotherStream) {
  Kernel("web").cpu_ns = 100;
  Tick({Task("web", 42)});
  Kernel("web").cpu_ns = 130;
  Tick({Task("web", 43)});
  const auto totals = ledger_->Totals("acme", std::nullopt).value();
  ASSERT_EQ(totals.size(), 2u);
  EXPECT_EQ(totals[0].cgroup_id, 42u);
  EXPECT_TRUE(totals[0].final && totals[0].estimated);
  EXPECT_EQ(totals[0].totals.counters.cpu_ns, 100u);
  EXPECT_EQ(totals[1].totals.counters.cpu_ns, 130u);
}

TEST_F(SamplerTest, AVanishedTaskEndsEstimatedFromItsLastReading) {
  Kernel("web").cpu_ns = 100;
  Kernel("web").memory_bytes = kMiB;
  Tick({Task("web")});
  Tick({Task("web")});  // idle: its integral is in memory only
  Tick({});
  EXPECT_TRUE(Newest().final && Newest().estimated);
  EXPECT_EQ(Newest().totals.memory_byte_seconds, kMiB);

  Kernel("web").cpu_ns = 120;  // it was there after all
  Tick({Task("web")});
  EXPECT_FALSE(Newest().final || Newest().estimated || Newest().first);
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 120u);
}

TEST_F(SamplerTest, ATaskThatVanishedWhileTheAgentWasDeadIsClosed) {
  Kernel("web").cpu_ns = 100;
  Kernel("db").cpu_ns = 1;
  Tick({Task("web"), Task("db", 7)});
  Restart();
  Tick({Task("db", 7)});
  EXPECT_TRUE(Newest().final && Newest().estimated);
  EXPECT_EQ(Newest().task.name, "web");
}

TEST_F(SamplerTest, AReadingThatFailsStopsNoOther) {
  Kernel("a").cpu_ns = 1;
  Kernel("b").cpu_ns = 1;
  Tick({Task("a", 1), Task("b", 2)});
  Kernel("a").cpu_ns = Kernel("b").cpu_ns = 2;
  source_->FailNext("read", EIO);
  Tick({Task("a", 1), Task("b", 2)});
  EXPECT_EQ(sampler_->Latest({"acme", "a"})->counters.cpu_ns, 1u);
  EXPECT_EQ(sampler_->Latest({"acme", "b"})->counters.cpu_ns, 2u);
  Tick({Task("a", 1), Task("b", 2)});
  EXPECT_EQ(sampler_->Latest({"acme", "a"})->counters.cpu_ns, 2u);
}

TEST_F(SamplerTest, AFinalThatCannotBeReadIsEstimated) {
  Kernel("web").cpu_ns = 100;
  Tick({Task("web")});
  source_->Vanish(PathOf(TaskId{"acme", "web"}));
  ASSERT_THAT(sampler_->Final(Task("web")), IsOk());
  EXPECT_TRUE(Newest().final && Newest().estimated);
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 100u);
}

TEST_F(SamplerTest, WhatTheLedgerRefusesIsInTheNextTick) {
  RefuseFinal();
  EXPECT_EQ(Records().size(), 1u);
  source_->Vanish(PathOf(TaskId{"acme", "web"}));
  ASSERT_THAT(sampler_->Tick({}), IsOk());
  EXPECT_TRUE(Newest().final && !Newest().estimated);  // the reading was the real last one
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 150u);
}

TEST_F(SamplerTest, AFinalThatTheLedgerRefusesLeavesTheStreamToGoOn) {
  RefuseFinal();
  ASSERT_NE(sampler_->Latest({"acme", "web"}), nullptr);
  EXPECT_EQ(sampler_->Latest({"acme", "web"})->counters.cpu_ns, 150u);
  ASSERT_THAT(sampler_->Recover(), IsOk());  // after a start that had a removal to finish first
  Tick({Task("web")});
  EXPECT_FALSE(Newest().final || Newest().estimated || Newest().first);
  EXPECT_EQ(Newest().totals.counters.cpu_ns, 150u);
  ASSERT_THAT(sampler_->Final(Task("web")), IsOk());
  EXPECT_TRUE(Newest().final && !Newest().estimated);
  EXPECT_EQ(Records().size(), 3u);
  Tick({});
  EXPECT_EQ(Records().size(), 3u);
}

TEST_F(SamplerTest, AnotherBootIsAnotherStream) {
  Kernel("web").cpu_ns = 100;
  Tick({Task("web")});
  Kernel("web").cpu_ns = 3;
  Restart("boot-2");
  Tick({Task("web")});
  const auto records = Records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_TRUE(records[1].final && records[1].estimated);
  EXPECT_TRUE(records[2].first);
  EXPECT_EQ(records[2].totals.counters.cpu_ns, 3u);
}

}  // namespace
}  // namespace bulkhead
