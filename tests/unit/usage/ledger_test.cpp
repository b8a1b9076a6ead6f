#include "agent/usage/ledger.h"

#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/usage/records.h"

namespace bulkhead {
namespace {

using test::AppendOne;
using test::Final;
using test::IsOk;
using test::kPlenty;
using test::kStart;
using test::Record;
using test::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<uint64_t> Sequences(const std::vector<UsageRecord>& records) {
  std::vector<uint64_t> sequences;
  for (const UsageRecord& record : records) sequences.push_back(record.sequence);
  return sequences;
}

class LedgerTest : public ::testing::Test {
 protected:
  void Open(const std::string& boot = "boot-1", uint64_t spool_max = kPlenty) {
    ledger_.reset();
    auto ledger = Ledger::Open(dir_ / "ledger.db", boot, spool_max);
    ASSERT_THAT(ledger, IsOk());
    ledger_ = *std::move(ledger);
  }
  std::vector<UsageRecord> After(uint64_t sequence, size_t limit = 1'000'000) {
    auto records = ledger_->ReadAfter(sequence, limit);
    EXPECT_THAT(records, IsOk());
    return records.ok() ? *records : std::vector<UsageRecord>();
  }
  std::vector<UsageRecord> Totals(std::optional<WallTime> since = std::nullopt, const std::string& tenant = "") {
    auto records = ledger_->Totals(tenant, since);
    EXPECT_THAT(records, IsOk());
    return records.ok() ? *records : std::vector<UsageRecord>();
  }
  test::TempDir dir_;
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(LedgerTest, ARecordComesBackWholeAfterReopening) {
  Open();
  UsageRecord record = Record("web", 0, 1'000'000'007);
  UsageReading& counters = record.totals.counters;
  counters.throttled_ns = ~0ULL;
  counters.throttled_periods = 3;
  counters.memory_bytes = 4;
  counters.memory_peak_bytes = 5;
  counters.oom_kills = 6;
  counters.pids = 7;
  counters.pids_failures = 8;
  counters.network.passed[1][4] = {1500, 2};
  counters.network.dropped[0][2] = 9;
  record.totals.memory_byte_seconds = 1ULL << 63;
  record.carried.cpu_ns = 10;
  record.slot = 4'000'000'000;
  record.estimated = true;
  ASSERT_THAT(AppendOne(*ledger_, record), IsOk());
  const std::string id = ledger_->id();

  Open();
  EXPECT_EQ(ledger_->id(), id);
  EXPECT_EQ(ledger_->last_sequence(), 1u);
  const std::vector<UsageRecord> records = After(0);
  ASSERT_EQ(records.size(), 1u);
  const UsageRecord& read = records[0];
  EXPECT_EQ(read.sequence, 1u);
  EXPECT_EQ(KeyOf(read), KeyOf(record));
  EXPECT_EQ(read.task, record.task);
  EXPECT_EQ(read.start_wall, record.start_wall);
  EXPECT_EQ(read.end_wall, record.end_wall);
  EXPECT_EQ(read.start_boot, record.start_boot);
  EXPECT_EQ(read.end_boot, record.end_boot);
  EXPECT_TRUE(read.first && !read.final && read.estimated);
  EXPECT_EQ(read.totals.counters.cpu_ns, 1'000'000'007u);
  EXPECT_EQ(read.totals.counters.throttled_ns, ~0ULL);
  EXPECT_EQ(read.totals.counters.throttled_periods, 3u);
  EXPECT_EQ(read.totals.counters.memory_bytes, 4u);
  EXPECT_EQ(read.totals.counters.memory_peak_bytes, 5u);
  EXPECT_EQ(read.totals.counters.oom_kills, 6u);
  EXPECT_EQ(read.totals.counters.pids, 7u);
  EXPECT_EQ(read.totals.counters.pids_failures, 8u);
  EXPECT_EQ(read.totals.counters.network, counters.network);
  EXPECT_EQ(read.totals.memory_byte_seconds, 1ULL << 63);
  EXPECT_EQ(read.carried.cpu_ns, 10u);
  EXPECT_EQ(read.slot, 4'000'000'000u);
}

TEST_F(LedgerTest, NumbersRunOnOverBatchesAndRestarts) {
  Open();
  std::vector<UsageRecord> batch{Record("a", 0, 1), Record("b", 0, 1)};
  ASSERT_THAT(ledger_->Append(batch), IsOk());
  EXPECT_THAT(Sequences(batch), ElementsAre(1, 2));
  Open();
  ASSERT_THAT(AppendOne(*ledger_, Record("a", 1, 2)), IsOk());
  EXPECT_THAT(Sequences(After(0)), ElementsAre(1, 2, 3));
  EXPECT_THAT(Sequences(After(1, 1)), ElementsAre(2));
  EXPECT_THAT(After(3), IsEmpty());
  EXPECT_THAT(After(~0ULL), IsEmpty());
}

TEST_F(LedgerTest, ABatchWithAValueThatGoesDownStoresNothing) {
  Open();
  ASSERT_THAT(AppendOne(*ledger_, Record("web", 0, 10)), IsOk());
  std::vector<UsageRecord> batch{Record("db", 0, 1), Record("web", 1, 9)};
  EXPECT_THAT(ledger_->Append(batch), StatusIs(StatusCode::kInternal, HasSubstr("acme/web")));
  EXPECT_EQ(ledger_->last_sequence(), 1u);
  EXPECT_THAT(Sequences(After(0)), ElementsAre(1));
  ASSERT_THAT(AppendOne(*ledger_, Record("db", 1, 1)), IsOk());  // the number was not used up
  EXPECT_THAT(Sequences(After(0)), ElementsAre(1, 2));
}

TEST_F(LedgerTest, AcknowledgingIsMonotoneAndBounded) {
  Open();
  for (int second = 0; second < 5; ++second) ASSERT_THAT(AppendOne(*ledger_, Record("web", second, 1)), IsOk());
  EXPECT_THAT(ledger_->Acknowledge(6), StatusIs(StatusCode::kInvalidArgument, HasSubstr("newest one is 5")));
  EXPECT_THAT(ledger_->Acknowledge(3), IsOk());
  EXPECT_THAT(ledger_->Acknowledge(2), IsOk());
  EXPECT_EQ(ledger_->acknowledged_sequence(), 3u);
  EXPECT_THAT(Sequences(After(0)), ElementsAre(1, 4, 5));  // the first one is kept, the ones between are not
  Open();
  EXPECT_EQ(ledger_->acknowledged_sequence(), 3u);
  ASSERT_THAT(ledger_->Acknowledge(5), IsOk());
  EXPECT_EQ(ledger_->spool_bytes(), 0u);
  EXPECT_THAT(Sequences(After(0)), ElementsAre(1, 5));  // the newest one stays
}

TEST_F(LedgerTest, ManyAreAcknowledgedInTurns) {
  constexpr auto kTurn = static_cast<uint64_t>(Ledger::kTurn);
  Open();
  std::vector<UsageRecord> batch;
  for (uint64_t second = 0; second <= 2 * kTurn; ++second)
    batch.push_back(Record("web", static_cast<int>(second), second));
  ASSERT_THAT(ledger_->Append(batch), IsOk());
  const uint64_t spooled = ledger_->spool_bytes();
  const auto acknowledge = [&](uint64_t sequence) { return ledger_->Acknowledge(sequence).value(); };
  EXPECT_FALSE(acknowledge(2 * kTurn + 1));
  EXPECT_EQ(ledger_->acknowledged_sequence(), kTurn);
  EXPECT_LT(ledger_->spool_bytes(), spooled * 2 / 3) << "they no longer count";
  EXPECT_GT(ledger_->spool_bytes(), spooled / 3);
  Open();
  EXPECT_EQ(ledger_->acknowledged_sequence(), kTurn) << "durable, as far as it went";
  EXPECT_TRUE(acknowledge(2 * kTurn)) << "a whole turn and no more";
  EXPECT_TRUE(acknowledge(2 * kTurn + 1));
  EXPECT_EQ(ledger_->spool_bytes(), 0u);
  EXPECT_EQ(After(0).back().sequence, 2 * kTurn + 1);
}

TEST_F(LedgerTest, AFullSpoolIsThinnedToFirstNewestFinalAndMinutes) {
  Open("boot-1", 40'000);
  for (int second = 0; second < 600; ++second)
    ASSERT_THAT(AppendOne(*ledger_, Record("web", second, static_cast<uint64_t>(second))), IsOk());
  ASSERT_THAT(AppendOne(*ledger_, Final(Record("web", 600, 600))), IsOk());
  EXPECT_LE(ledger_->spool_bytes(), 40'000u);
  EXPECT_GT(ledger_->thinned_records(), 200u);
  const std::vector<UsageRecord> records = After(0);
  EXPECT_TRUE(records.front().first);
  EXPECT_TRUE(records.back().final);
  EXPECT_EQ(records.back().sequence, 601u);
  EXPECT_EQ(records.back().totals.counters.cpu_ns, 600u);
  std::vector<uint64_t> minutes;
  for (const UsageRecord& record : records)
    if (record.end_boot % std::chrono::minutes(1) == BootTime::zero())
      minutes.push_back(record.totals.counters.cpu_ns / 60);
  EXPECT_THAT(minutes, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  Open("boot-1", 40'000);
  EXPECT_LE(ledger_->spool_bytes(), 40'000u);
  EXPECT_EQ(ledger_->last_sequence(), 601u);
}

TEST_F(LedgerTest, ALargeBacklogIsThinnedInTurns) {
  constexpr auto kTurn = static_cast<uint64_t>(Ledger::kTurn);
  Open();
  std::vector<UsageRecord> batch;
  for (uint64_t second = 0; second < 3 * kTurn; ++second)
    batch.push_back(Record("web", static_cast<int>(second), second));
  ASSERT_THAT(ledger_->Append(batch), IsOk());
  Open("boot-1", 1000);  // as when spool_max was lowered
  auto second = static_cast<int>(3 * kTurn);
  ASSERT_THAT(AppendOne(*ledger_, Record("web", second, 3 * kTurn)), IsOk());
  EXPECT_EQ(ledger_->thinned_records(), kTurn + 1);
  for (int turn = 0; turn < 3; ++turn) ASSERT_THAT(AppendOne(*ledger_, Record("web", ++second, 3 * kTurn)), IsOk());
  EXPECT_LE(ledger_->spool_bytes(), 1000u);
  const std::vector<uint64_t> left = Sequences(After(0));
  EXPECT_EQ(left.front(), 1u) << "the first";
  EXPECT_EQ(left.back(), 3 * kTurn + 4) << "and the newest";
}

TEST_F(LedgerTest, ALargeBacklogExpiresInTurns) {
  constexpr auto kTurn = static_cast<uint64_t>(Ledger::kTurn);
  Open();
  std::vector<UsageRecord> batch;
  for (uint64_t minute = 0; minute < 2 * kTurn; ++minute)
    batch.push_back(Record("web", static_cast<int>(minute * 60), minute));
  ASSERT_THAT(ledger_->Append(batch), IsOk());
  while (!ledger_->Acknowledge(ledger_->last_sequence()).value()) continue;
  int second = static_cast<int>(2 * kTurn) * 60;
  ASSERT_THAT(AppendOne(*ledger_, Record("web", second, 2 * kTurn)), IsOk());
  const size_t first_turn = After(0).size();
  EXPECT_GE(first_turn, kTurn / 2) << "not all at once";
  ASSERT_THAT(AppendOne(*ledger_, Record("web", ++second, 2 * kTurn)), IsOk());
  EXPECT_LT(After(0).size(), first_turn / 2) << "within the same minute";
}

TEST_F(LedgerTest, NoStreamLosesItsLastValueHoweverFullTheSpool) {
  Open("boot-1", 1000);
  for (int second = 0; second < 5000; second += 50)
    for (const char* name : {"a", "b", "c"})
      ASSERT_THAT(AppendOne(*ledger_, Record(name, second, static_cast<uint64_t>(second))), IsOk());
  const auto totals = Totals();
  ASSERT_EQ(totals.size(), 3u);
  for (const UsageRecord& record : totals) EXPECT_EQ(record.totals.counters.cpu_ns, 4950u);
  EXPECT_EQ(After(0).size(), 6u);  // first and newest of each
}

TEST_F(LedgerTest, StreamsOfAnotherBootAreClosedOnce) {
  Open("boot-1");
  std::vector<UsageRecord> batch{Record("web", 0, 5), Record("web", 9, 7), Final(Record("db", 0, 3))};
  ASSERT_THAT(ledger_->Append(batch), IsOk());
  for (int restart = 0; restart < 2; ++restart) {
    Open("boot-2");
    EXPECT_THAT(ledger_->OpenStreams().value(), IsEmpty());
    EXPECT_EQ(ledger_->last_sequence(), 4u);
  }
  const UsageRecord closing = After(3).front();
  EXPECT_EQ(closing.task.name, "web");
  EXPECT_TRUE(closing.final && closing.estimated && !closing.first);
  EXPECT_EQ(closing.boot_id, "boot-1");
  EXPECT_EQ(closing.totals.counters.cpu_ns, 7u);
  EXPECT_EQ(closing.end_wall, kStart + std::chrono::seconds(9));
}

TEST_F(LedgerTest, OpenStreamsAreTheNewestOfThoseNotFinal) {
  Open();
  std::vector<UsageRecord> batch{Record("web", 0, 5), Record("db", 0, 3), Record("web", 9, 7)};
  ASSERT_THAT(ledger_->Append(batch), IsOk());
  ASSERT_THAT(AppendOne(*ledger_, Final(Record("db", 9, 3))), IsOk());
  Open();
  const auto open = ledger_->OpenStreams().value();
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(open[0].totals.counters.cpu_ns, 7u);

  ASSERT_THAT(AppendOne(*ledger_, Record("db", 10, 4)), IsOk());  // its removal failed
  EXPECT_EQ(ledger_->OpenStreams().value().size(), 2u);
  EXPECT_THAT(AppendOne(*ledger_, Record("db", 11, 2)), StatusIs(StatusCode::kInternal, HasSubstr("acme/db")));
}

TEST_F(LedgerTest, TotalsSinceAreDifferences) {
  Open();
  for (int second = 0; second <= 100; ++second)
    ASSERT_THAT(AppendOne(*ledger_, Record("web", second, static_cast<uint64_t>(second) * 10)), IsOk());
  ASSERT_THAT(AppendOne(*ledger_, Final(Record("old", 50, 77))), IsOk());
  UsageRecord other = Record("new", 95, 33);
  other.task.tenant = "globex";
  ASSERT_THAT(AppendOne(*ledger_, other), IsOk());

  EXPECT_EQ(Totals().size(), 3u);
  EXPECT_EQ(Totals(std::nullopt, "globex").size(), 1u);
  const auto since = Totals(kStart + std::chrono::seconds(90));
  ASSERT_EQ(since.size(), 2u);
  EXPECT_EQ(since[0].task.name, "web");
  EXPECT_EQ(since[0].totals.counters.cpu_ns, 100u);
  EXPECT_EQ(since[0].start_wall, kStart + std::chrono::seconds(90));
  EXPECT_EQ(since[1].totals.counters.cpu_ns, 33u);  // began after it: all of it
}

TEST_F(LedgerTest, AcknowledgedHistoryGetsCoarserAndEnds) {
  Open();
  for (int second = 0; second <= 3 * 3600; second += 30) {
    ASSERT_THAT(AppendOne(*ledger_, Record("web", second, static_cast<uint64_t>(second))), IsOk());
    ASSERT_THAT(ledger_->Acknowledge(ledger_->last_sequence()), IsOk());
  }
  // First, one a minute for 2 h, one an hour before that.
  EXPECT_NEAR(static_cast<double>(After(0).size()), 1 + 120 + 1, 3);
  const auto since = Totals(kStart + std::chrono::hours(2));
  EXPECT_EQ(since.at(0).totals.counters.cpu_ns, 3600u);

  ASSERT_THAT(AppendOne(*ledger_, Final(Record("web", 3 * 3600 + 1, 20'000))), IsOk());
  ASSERT_THAT(ledger_->Acknowledge(ledger_->last_sequence()), IsOk());
  ASSERT_THAT(AppendOne(*ledger_, Record("db", 26 * 3600, 1)), IsOk());
  EXPECT_EQ(Totals().size(), 2u);
  ASSERT_THAT(AppendOne(*ledger_, Record("db", 28 * 3600, 1)), IsOk());
  EXPECT_THAT(Totals(), ElementsAre(Field(&UsageRecord::task, Field(&TaskId::name, "db"))));
}

}  // namespace
}  // namespace bulkhead
