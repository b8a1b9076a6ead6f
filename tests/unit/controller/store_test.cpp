#include "controller/store.h"

#include <filesystem>
#include <fstream>
#include <random>

#include "tests/support/fake_clock.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace bulkhead {
namespace {

using test::IsOk;
using test::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::ReportHello Hello(const std::string& node = "node-1", const std::string& ledger = "ledger-1") {
  v1::ReportHello hello;
  hello.set_node_id(node);
  hello.set_boot_id("boot-1");
  hello.set_agent_version("0.1.0");
  hello.set_ledger_id(ledger);
  return hello;
}

v1::UsageRecord Record(uint64_t sequence, const std::string& task, uint64_t cpu_ns,
                       const std::string& tenant = "acme") {
  v1::UsageRecord record;
  record.set_sequence(sequence);
  record.set_node_id("node-1");
  record.set_boot_id("boot-1");
  record.set_tenant(tenant);
  record.set_task(task);
  record.set_task_uid("uid-" + task);
  record.set_cgroup_id(42);
  record.set_end_boot_ns(sequence * 1000);
  record.mutable_usage()->set_cpu_ns(cpu_ns);
  record.mutable_usage()->set_memory_bytes(100);
  return record;
}

v1::ReportBatch Batch(uint64_t first, const std::vector<v1::UsageRecord>& records) {
  v1::ReportBatch batch;
  batch.set_first_sequence(first);
  for (const v1::UsageRecord& record : records) *batch.add_records() = record;
  return batch;
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { Reopen(); }
  void Reopen() {
    store_.reset();
    auto store = Store::Open(dir_ / "controller.db", clock_);
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  uint64_t Ingest(const v1::ReportBatch& batch, const v1::ReportHello& hello = Hello()) {
    const auto committed = store_->Ingest(hello, batch);
    EXPECT_THAT(committed, IsOk());
    return committed.value_or(0);
  }
  uint64_t Cpu(const std::string& tenant = "acme") {
    const auto usage = store_->Usage(tenant).value();
    return usage.empty() ? 0 : usage[0].usage().cpu_ns();
  }
  void ExpectRefused(const v1::ReportBatch& batch, const std::string& why) {
    EXPECT_THAT(store_->Ingest(Hello(), batch),
                StatusIs(StatusCode::kInvalidArgument, AllOf(HasSubstr("node node-1, sequence "), HasSubstr(why))));
  }
  test::TempDir dir_;
  FakeClock clock_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, ANewLedgerStartsAtZeroAndGoesOnWhereItWas) {
  EXPECT_EQ(store_->Hello(Hello()).value(), 0u);
  EXPECT_EQ(Ingest(Batch(1, {Record(1, "web", 10), Record(2, "web", 20)})), 2u);
  Reopen();
  EXPECT_EQ(store_->Hello(Hello()).value(), 2u);
  EXPECT_EQ(store_->Hello(Hello("node-1", "ledger-2")).value(), 0u);
  EXPECT_EQ(store_->Hello(Hello("node-2")).value(), 0u);
  EXPECT_EQ(Cpu(), 20u);
}

TEST_F(StoreTest, ARepeatedBatchChangesNothing) {
  const v1::ReportBatch first = Batch(1, {Record(1, "web", 10), Record(2, "db", 5)});
  const v1::ReportBatch second = Batch(3, {Record(3, "web", 30)});
  Ingest(first);
  Ingest(second);
  EXPECT_EQ(Ingest(first), 3u);
  EXPECT_EQ(Ingest(second), 3u);
  EXPECT_EQ(Ingest(Batch(2, {Record(2, "db", 5), Record(3, "web", 30), Record(4, "db", 6)})), 4u);
  EXPECT_EQ(Cpu(), 36u);
}

TEST_F(StoreTest, ThinnedSequencesAreCoveredByTheBatch) {
  EXPECT_EQ(Ingest(Batch(1, {Record(1, "web", 10), Record(500, "web", 900)})), 500u);
  EXPECT_EQ(Ingest(Batch(501, {Record(700, "web", 1000)})), 700u);
  EXPECT_EQ(Cpu(), 1000u);
}

TEST_F(StoreTest, WhatCannotBeIsRefusedWhole) {
  Ingest(Batch(1, {Record(1, "web", 10), Record(2, "web", 20)}));
  ExpectRefused(Batch(4, {Record(4, "web", 30)}), "gap");
  ExpectRefused(Batch(3, {}), "1 to 1000");
  ExpectRefused(Batch(0, {Record(3, "web", 30)}), "from 1");
  ExpectRefused(Batch(3, {Record(4, "web", 30), Record(3, "web", 40)}), "rise");
  ExpectRefused(Batch(3, {Record(3, "web", 30), Record(3, "web", 30)}), "rise");
  ExpectRefused(Batch(3, {Record(2, "web", 20)}), "rise");
  ExpectRefused(Batch(3, {Record(3, "db", 30), Record(4, "web", 19)}), "cpu_ns went down from 20 to 19");
  ExpectRefused(Batch(2, {Record(2, "web", 21)}), "contradicts");
  ExpectRefused(Batch(2, {Record(2, "db", 20)}), "contradicts");
  v1::UsageRecord other = Record(3, "web", 30);
  other.set_node_id("node-9");
  ExpectRefused(Batch(3, {other}), "node_id");
  other = Record(3, "web", 30);
  other.set_end_boot_ns(1);
  ExpectRefused(Batch(3, {other}), "end_boot_ns");
  other = Record(3, "web", 30);
  other.set_tenant("a\nb");
  ExpectRefused(Batch(3, {other}), "tenant");
  EXPECT_EQ(store_->Hello(Hello()).value(), 2u);
  EXPECT_EQ(Cpu(), 20u);
}

TEST_F(StoreTest, AHelloMustSayWho) {
  for (const char* field : {"node_id", "boot_id", "agent_version", "ledger_id"}) {
    v1::ReportHello hello = Hello();
    hello.GetReflection()->SetString(&hello, hello.GetDescriptor()->FindFieldByName(field), "");
    EXPECT_THAT(store_->Hello(hello), StatusIs(StatusCode::kInvalidArgument, HasSubstr(field)));
  }
  EXPECT_THAT(store_->Hello(Hello(std::string(129, 'x'))),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("node_id")));
  EXPECT_THAT(store_->Nodes("", 10).value(), IsEmpty());
}

TEST_F(StoreTest, UsageIsSummedByTenantAndGaugesOfLiveTasksOnly) {
  v1::UsageRecord ended = Record(2, "db", 5);
  ended.set_final(true);
  Ingest(Batch(1, {Record(1, "web", 10), ended, Record(3, "web-2", 7, "globex")}));
  const auto usage = store_->Usage("").value();
  ASSERT_EQ(usage.size(), 2u);
  EXPECT_EQ(usage[0].tenant(), "acme");
  EXPECT_EQ(usage[0].streams(), 2u);
  EXPECT_EQ(usage[0].usage().cpu_ns(), 15u);
  EXPECT_EQ(usage[0].usage().memory_bytes(), 100u);
  EXPECT_EQ(usage[1].usage().cpu_ns(), 7u);
  EXPECT_EQ(store_->Usage("globex").value().size(), 1u);
  EXPECT_THAT(store_->Usage("nobody").value(), IsEmpty());
}

TEST_F(StoreTest, ALostLedgerDoublesNothing) {
  v1::UsageRecord before = Record(7, "web", 100);
  before.mutable_usage()->set_memory_byte_seconds(50);
  Ingest(Batch(1, {before}));
  v1::UsageRecord after = Record(1, "web", 130);  // the kernel kept its counter, the integral began anew
  after.set_end_boot_ns(8000);
  after.mutable_usage()->set_memory_byte_seconds(3);
  Ingest(Batch(1, {after}), Hello("node-1", "ledger-2"));
  const auto usage = store_->Usage("acme").value();
  ASSERT_EQ(usage.size(), 1u);
  EXPECT_EQ(usage[0].streams(), 1u);
  EXPECT_EQ(usage[0].usage().cpu_ns(), 130u);
  EXPECT_EQ(usage[0].usage().memory_byte_seconds(), 53u);
}

TEST_F(StoreTest, NodesAreListedInOrder) {
  for (const char* node : {"c", "a", "b"}) ASSERT_THAT(store_->Hello(Hello(node)), IsOk());
  const auto nodes = store_->Nodes("a", 10).value();
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].id(), "b");
  EXPECT_EQ(nodes[0].agent_version(), "0.1.0");
  EXPECT_EQ(nodes[0].last_report().seconds(), 1'750'000'000);
  EXPECT_EQ(store_->Nodes("", 1).value().size(), 1u);
}

TEST_F(StoreTest, ACorruptFileIsAnErrorAndIsLeftAlone) {
  const std::string path = dir_ / "bad.db";
  std::ofstream(path) << std::string(10'000, 'x');
  EXPECT_THAT(Store::Open(path, clock_), StatusIs(StatusCode::kDataLoss, HasSubstr("bad.db")));
  EXPECT_EQ(std::filesystem::file_size(path), 10'000u);
}

// However a sender repeats, cuts and drops, once it got through to the end the totals are those of the last records.
TEST_F(StoreTest, AnyRepetitionEndsWithTheSameTotals) {
  std::mt19937 random(7);
  std::vector<v1::UsageRecord> log;
  std::map<std::string, uint64_t> truth;
  for (uint64_t sequence = 1; sequence <= 400; ++sequence) {
    const std::string task = "task-" + std::to_string(random() % 5);
    log.push_back(Record(sequence, task, truth[task] += random() % 100));
  }
  uint64_t committed = 0;
  int refused = 0;
  while (committed < log.size()) {
    const uint64_t first = 1 + random() % (committed + 3);  // sometimes beyond: a lost batch before it
    v1::ReportBatch batch;
    batch.set_first_sequence(first);
    for (uint64_t i = first; i <= std::min<uint64_t>(log.size(), first + random() % 20); ++i)
      *batch.add_records() = log[i - 1];
    const auto answer = store_->Ingest(Hello(), batch);
    if (first > committed + 1) {
      EXPECT_THAT(answer, StatusIs(StatusCode::kInvalidArgument, ::testing::_));
      ++refused;
      continue;
    }
    ASSERT_THAT(answer, IsOk());
    ASSERT_GE(*answer, committed);
    committed = *answer;
    if (random() % 10 == 0) Reopen();
  }
  EXPECT_GT(refused, 0);
  uint64_t sum = 0;
  for (const auto& [task, cpu] : truth) sum += cpu;
  EXPECT_EQ(Cpu(), sum);
  EXPECT_EQ(store_->Usage("acme").value()[0].streams(), truth.size());
}

}  // namespace
}  // namespace bulkhead
