#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "agent/usage/counters.h"
#include "agent/usage/ledger.h"
#include "agent/usage/ledger_rows.h"

namespace bulkhead {
namespace {

WallTime Wall(int64_t nanoseconds) { return WallTime(std::chrono::nanoseconds(nanoseconds)); }

Result<UsageRecord> FromRow(const Statement& row) {
  UsageRecord record;
  record.sequence = static_cast<uint64_t>(row.Int(0));
  record.end_wall = Wall(row.Int(1));
  record.end_boot = BootTime(row.Int(2));
  record.first = row.Int(3) != 0;
  record.final = row.Int(4) != 0;
  record.estimated = row.Int(5) != 0;
  BULKHEAD_RETURN_IF_ERROR(
      Annotate(DecodeCounters(row.Text(6), record), fmt::format("usage record {}", record.sequence)));
  record.boot_id = row.Text(7);
  record.task_uid = row.Text(8);
  record.cgroup_id = static_cast<uint64_t>(row.Int(9));
  record.task = TaskId{row.Text(10), row.Text(11)};
  record.start_wall = Wall(row.Int(12));
  record.start_boot = BootTime(row.Int(13));
  record.totals.counters.at = record.end_boot;
  return record;
}

// What `record` counts beyond `earlier` of the same stream.
void Subtract(UsageRecord& record, const UsageRecord& earlier) {
  ForEachCounter(record.totals.counters, earlier.totals.counters,
                 [](uint64_t& now, uint64_t before) { now -= std::min(now, before); });
  record.totals.memory_byte_seconds -= std::min(record.totals.memory_byte_seconds, earlier.totals.memory_byte_seconds);
  record.start_wall = earlier.end_wall;
  record.start_boot = earlier.end_boot;
}

}  // namespace

Result<std::vector<UsageRecord>> ReadRecords(Statement& statement) {
  std::vector<UsageRecord> records;
  while (true) {
    BULKHEAD_ASSIGN(const bool more, statement.Step());
    if (!more) return records;
    BULKHEAD_ASSIGN(UsageRecord record, FromRow(statement));
    records.push_back(std::move(record));
  }
}

Result<std::vector<UsageRecord>> Ledger::ReadAfter(uint64_t sequence, size_t limit) {
  if (sequence >= last_sequence_) return std::vector<UsageRecord>();
  BULKHEAD_ASSIGN(Statement select,
                  database_->Prepare(fmt::format("{} r.stream = s.row WHERE r.sequence > ? ORDER BY r.sequence LIMIT ?",
                                                 kSelectRecord)));
  return ReadRecords(select.Bind(1, static_cast<int64_t>(sequence)).Bind(2, static_cast<int64_t>(limit)));
}

Result<std::vector<UsageRecord>> Ledger::OpenStreams() {
  BULKHEAD_ASSIGN(Statement select, database_->Prepare(fmt::format(
                                        "{}{} WHERE s.closed_wall IS NULL AND s.boot_id = ? ORDER BY r.sequence",
                                        kSelectRecord, kNewestOfStream)));
  return ReadRecords(select.Bind(1, boot_id_));
}

Result<std::optional<UsageRecord>> Ledger::Newest(const StreamKey& stream) {
  BULKHEAD_ASSIGN(Statement select,
                  database_->Prepare(fmt::format("{}{} WHERE s.boot_id = ? AND s.task_uid = ? AND s.cgroup_id = ?",
                                                 kSelectRecord, kNewestOfStream)));
  select.Bind(1, stream.boot_id).Bind(2, stream.task_uid).Bind(3, static_cast<int64_t>(stream.cgroup_id));
  BULKHEAD_ASSIGN(const std::vector<UsageRecord> records, ReadRecords(select));
  return records.empty() ? std::nullopt : std::optional(records.front());
}

Result<std::vector<UsageRecord>> Ledger::Totals(const std::string& tenant, std::optional<WallTime> since) {
  BULKHEAD_ASSIGN(Statement newest,
                  database_->Prepare(fmt::format("{}{} WHERE (?1 = '' OR s.tenant = ?1) AND r.end_wall > ?2 "
                                                 "ORDER BY s.tenant, s.task, s.row",
                                                 kSelectRecord, kNewestOfStream)));
  newest.Bind(1, tenant).Bind(2, since ? Nanoseconds(*since) : std::numeric_limits<int64_t>::min());
  BULKHEAD_ASSIGN(std::vector<UsageRecord> records, ReadRecords(newest));
  if (!since) return records;
  BULKHEAD_ASSIGN(Statement before,
                  database_->Prepare(fmt::format("{} r.stream = s.row WHERE s.boot_id = ? AND s.task_uid = ? AND "
                                                 "s.cgroup_id = ? AND r.end_wall <= ? ORDER BY r.sequence DESC LIMIT 1",
                                                 kSelectRecord)));
  for (UsageRecord& record : records) {
    before.Bind(1, record.boot_id).Bind(2, record.task_uid).Bind(3, static_cast<int64_t>(record.cgroup_id));
    before.Bind(4, Nanoseconds(*since));
    BULKHEAD_ASSIGN(const std::vector<UsageRecord> earlier, ReadRecords(before));
    before.Reset();
    if (!earlier.empty()) Subtract(record, earlier.front());
  }
  return records;
}

}  // namespace bulkhead
