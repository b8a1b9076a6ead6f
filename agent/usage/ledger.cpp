#include "agent/usage/ledger.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/base/host.h"
#include "agent/base/log.h"
#include "agent/usage/counters.h"
#include "agent/usage/ledger_rows.h"

namespace bulkhead {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr int64_t kSchema = 1;
constexpr auto kKeepMinutes = hours(2);
constexpr auto kKeepHours = hours(24);
// A row's columns, its part of the indices and of half-empty pages, besides the counters.
constexpr uint64_t kRowOverhead = 96;

// How long a record between a stream's first and its newest is kept: a higher mark outlives a lower one.
enum Mark : int64_t { kPlain = 0, kMinute = 1, kHour = 2, kAlways = 3 };

constexpr char kCreate[] = R"(
CREATE TABLE ledger (id TEXT NOT NULL, last_sequence INTEGER NOT NULL, acknowledged INTEGER NOT NULL);
CREATE TABLE streams (
  row INTEGER PRIMARY KEY, boot_id TEXT NOT NULL, task_uid TEXT NOT NULL, cgroup_id INTEGER NOT NULL,
  tenant TEXT NOT NULL, task TEXT NOT NULL, start_wall INTEGER NOT NULL, start_boot INTEGER NOT NULL,
  closed_wall INTEGER, UNIQUE (boot_id, task_uid, cgroup_id));
CREATE INDEX open_streams ON streams (row) WHERE closed_wall IS NULL;
CREATE INDEX closed_streams ON streams (closed_wall) WHERE closed_wall IS NOT NULL;
CREATE TABLE records (
  sequence INTEGER PRIMARY KEY, stream INTEGER NOT NULL, mark INTEGER NOT NULL, end_wall INTEGER NOT NULL,
  end_boot INTEGER NOT NULL, first INTEGER NOT NULL, final INTEGER NOT NULL, estimated INTEGER NOT NULL,
  counters BLOB NOT NULL);
CREATE INDEX records_of_stream ON records (stream, sequence);
CREATE INDEX plain_records ON records (sequence) WHERE mark = 0;
CREATE INDEX marked_records ON records (mark, end_wall) WHERE mark IN (1, 2);
)";

uint64_t SizeOf(const std::string& counters) { return counters.size() + kRowOverhead; }

Mark MarkOf(const UsageRecord& record, BootTime previous) {
  if (record.first || record.final) return kAlways;
  const auto other = [&](auto unit) {
    return std::chrono::floor<decltype(unit)>(record.end_boot) != std::chrono::floor<decltype(unit)>(previous);
  };
  if (other(hours())) return kHour;
  return other(minutes()) ? kMinute : kPlain;
}

}  // namespace

StreamKey KeyOf(const UsageRecord& record) { return {record.boot_id, record.task_uid, record.cgroup_id}; }

Result<std::unique_ptr<Ledger>> Ledger::Open(const std::string& path, const std::string& boot_id, uint64_t spool_max) {
  BULKHEAD_ASSIGN(std::unique_ptr<Database> database, Database::Open(path));
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(database), boot_id, spool_max));
  BULKHEAD_RETURN_IF_ERROR(Annotate(ledger->Load(), path));
  if (Status status = ledger->CloseOtherBoots(); !status.ok()) {
    if (status.code() == StatusCode::kDataLoss) return Annotate(status, path);
    ledger->unclosed_ = true;
    log::Warning("streams of the last boot not closed yet, trying again with the next sample", {{"error", status}});
  }
  return ledger;
}

Result<std::unique_ptr<Ledger>> Ledger::OpenOrSetAside(const std::string& path, const std::string& boot_id,
                                                       uint64_t spool_max, std::string& set_aside) {
  set_aside.clear();
  auto ledger = Open(path, boot_id, spool_max);
  if (ledger.status().code() != StatusCode::kDataLoss) return ledger;
  log::Error("usage ledger is corrupt: setting it aside and starting another", {{"error", ledger.status()}});
  BULKHEAD_ASSIGN(set_aside, SetDatabaseAside(path));
  return Open(path, boot_id, spool_max);
}

Status Ledger::Load() {
  BULKHEAD_ASSIGN(const int64_t version, database_->SchemaVersion());
  if (version > kSchema || version < 0)
    return MakeStatus(StatusCode::kDataLoss, fmt::format("ledger schema {} is newer than this agent's", version));
  if (version == 0) {
    BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database_));
    BULKHEAD_RETURN_IF_ERROR(database_->Execute(kCreate));
    BULKHEAD_ASSIGN(Statement insert, database_->Prepare("INSERT INTO ledger VALUES (?, 0, 0)"));
    BULKHEAD_RETURN_IF_ERROR(insert.Bind(1, RandomId()).Run());
    BULKHEAD_RETURN_IF_ERROR(database_->SetSchemaVersion(kSchema));
    BULKHEAD_RETURN_IF_ERROR(transaction.Commit());
  }
  BULKHEAD_ASSIGN(Statement head, database_->Prepare("SELECT id, last_sequence, acknowledged FROM ledger"));
  BULKHEAD_ASSIGN(const bool found, head.Step());
  if (!found) return MakeStatus(StatusCode::kDataLoss, "the ledger has no head");
  id_ = head.Text(0);
  last_sequence_ = static_cast<uint64_t>(head.Int(1));
  acknowledged_ = static_cast<uint64_t>(head.Int(2));

  // SQLite has no checksums of its own; a record that does not decode is found now and not in the middle of a report.
  BULKHEAD_ASSIGN(Statement records, database_->Prepare("SELECT sequence, counters FROM records"));
  while (true) {
    BULKHEAD_ASSIGN(const bool more, records.Step());
    if (!more) break;
    UsageRecord unused;
    const auto sequence = static_cast<uint64_t>(records.Int(0));
    BULKHEAD_RETURN_IF_ERROR(
        Annotate(DecodeCounters(records.Text(1), unused), fmt::format("usage record {}", sequence)));
    if (sequence > last_sequence_) return MakeStatus(StatusCode::kDataLoss, "a usage record is beyond the last one");
    if (sequence > acknowledged_) spool_bytes_ += SizeOf(records.Text(1));
  }
  BULKHEAD_ASSIGN(Statement insert, database_->Prepare("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert_ = std::move(insert);
  return Ok();
}

Status Ledger::CloseOtherBoots() {
  BULKHEAD_ASSIGN(Statement open, database_->Prepare(fmt::format(
                                      "{}{} WHERE s.closed_wall IS NULL AND s.boot_id != ? ORDER BY r.sequence",
                                      kSelectRecord, kNewestOfStream)));
  BULKHEAD_ASSIGN(std::vector<UsageRecord> records, ReadRecords(open.Bind(1, boot_id_)));
  for (UsageRecord& record : records) {
    record.first = false;
    record.final = record.estimated = true;
  }
  return records.empty() ? Ok() : Store(records);
}

Status Ledger::Append(std::vector<UsageRecord>& records) {
  if (unclosed_) unclosed_ = !CloseOtherBoots().ok();  // the error, if any, comes again from Store
  return records.empty() ? Ok() : Store(records);
}

Status Ledger::Store(std::vector<UsageRecord>& records) {
  BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database_));
  std::map<StreamKey, Stream> touched;
  std::vector<StreamKey> closed;
  uint64_t sequence = last_sequence_;
  uint64_t bytes = spool_bytes_;
  WallTime newest{};
  for (UsageRecord& record : records) {
    const StreamKey key = KeyOf(record);
    auto stream = touched.find(key);
    if (stream == touched.end()) {
      BULKHEAD_ASSIGN(Stream found, FindStream(record));
      stream = touched.emplace(key, found).first;
    }
    if (WentDown(stream->second.totals, record.totals))
      return Internal(fmt::format("{}: a usage counter went down within its stream", record.task.ToString()));
    record.sequence = ++sequence;
    BULKHEAD_RETURN_IF_ERROR(Insert(record, stream->second));
    stream->second = Stream{stream->second.row, record.totals, record.end_boot, false};
    bytes += SizeOf(EncodeCounters(record));
    newest = std::max(newest, record.end_wall);
    if (record.final) closed.push_back(key);
  }
  BULKHEAD_RETURN_IF_ERROR(database_->Execute(fmt::format("UPDATE ledger SET last_sequence = {}", sequence)));
  // Never less than comes in.
  BULKHEAD_ASSIGN(const Dropped thinned, Thin(bytes, kTurn + static_cast<int64_t>(records.size())));
  const auto minute = std::chrono::floor<minutes>(newest.time_since_epoch());
  bool expired = true;
  if (minute != expired_) {
    BULKHEAD_ASSIGN(expired, Expire(newest));
  }
  BULKHEAD_RETURN_IF_ERROR(transaction.Commit());

  last_sequence_ = sequence;
  spool_bytes_ = bytes - std::min(thinned.bytes, bytes);
  thinned_ += thinned.records;
  if (expired) expired_ = minute;
  for (auto& [key, stream] : touched) streams_.insert_or_assign(key, stream);
  for (const StreamKey& key : closed) streams_.erase(key);
  return Ok();
}

Result<Ledger::Stream> Ledger::FindStream(const UsageRecord& record) {
  if (const auto known = streams_.find(KeyOf(record)); known != streams_.end()) return known->second;
  BULKHEAD_ASSIGN(Statement insert, database_->Prepare("INSERT INTO streams (boot_id, task_uid, cgroup_id, tenant, "
                                                       "task, start_wall, start_boot) VALUES (?, ?, ?, ?, ?, ?, ?) "
                                                       "ON CONFLICT DO UPDATE SET closed_wall = NULL RETURNING row"));
  insert.Bind(1, record.boot_id).Bind(2, record.task_uid).Bind(3, static_cast<int64_t>(record.cgroup_id));
  insert.Bind(4, record.task.tenant).Bind(5, record.task.name);
  insert.Bind(6, Nanoseconds(record.start_wall)).Bind(7, record.start_boot.count());
  BULKHEAD_ASSIGN(const bool row, insert.Step());
  if (!row) return Internal("the ledger did not name the stream it made");
  Stream stream{.row = insert.Int(0)};
  BULKHEAD_RETURN_IF_ERROR(insert.Run());
  BULKHEAD_ASSIGN(const std::optional<UsageRecord> newest, Newest(KeyOf(record)));
  if (newest) stream = Stream{stream.row, newest->totals, newest->end_boot, false};
  return stream;
}

Status Ledger::Insert(const UsageRecord& record, const Stream& stream) {
  const Mark mark = stream.empty ? kAlways : MarkOf(record, stream.end_boot);
  insert_->Bind(1, static_cast<int64_t>(record.sequence)).Bind(2, stream.row).Bind(3, mark);
  insert_->Bind(4, Nanoseconds(record.end_wall)).Bind(5, record.end_boot.count());
  insert_->Bind(6, record.first).Bind(7, record.final).Bind(8, record.estimated);
  insert_->BindBlob(9, EncodeCounters(record));
  BULKHEAD_RETURN_IF_ERROR(insert_->Run());
  if (!record.final) return Ok();
  return database_->Execute(
      fmt::format("UPDATE streams SET closed_wall = {} WHERE row = {}", Nanoseconds(record.end_wall), stream.row));
}

// Records that `which` is true of, but no stream's newest; at most so many.
Result<Ledger::Dropped> Ledger::Drop(const std::string& which, int64_t most) {
  BULKHEAD_ASSIGN(
      Statement drop,
      database_->Prepare(fmt::format("DELETE FROM records WHERE sequence IN (SELECT sequence FROM records WHERE {} AND "
                                     "{} LIMIT {}) RETURNING length(counters)",
                                     which, kNotNewest, most)));
  Dropped dropped;
  while (true) {
    BULKHEAD_ASSIGN(const bool more, drop.Step());
    if (!more) return dropped;
    dropped.bytes += static_cast<uint64_t>(drop.Int(0)) + kRowOverhead;
    ++dropped.records;
  }
}

// Acknowledged records that are past their time. False: there are more of them.
Result<bool> Ledger::Expire(WallTime now) {
  const auto expired = [&](Mark mark, WallTime before) {
    return fmt::format("mark = {} AND end_wall < {} AND sequence <= {}", static_cast<int64_t>(mark),
                       Nanoseconds(before), acknowledged_);
  };
  BULKHEAD_ASSIGN(const Dropped minutes, Drop(expired(kMinute, now - kKeepMinutes), kTurn));
  BULKHEAD_ASSIGN(const Dropped hours, Drop(expired(kHour, now - kKeepHours), kTurn));
  const std::string past = fmt::format("closed_wall < {}", Nanoseconds(now - kKeepHours));
  BULKHEAD_RETURN_IF_ERROR(database_->Execute(
      fmt::format("DELETE FROM records WHERE stream IN (SELECT row FROM streams WHERE {} AND (SELECT MAX(n.sequence) "
                  "FROM records n WHERE n.stream = streams.row) <= {} LIMIT {})",
                  past, acknowledged_, kTurn)));
  BULKHEAD_ASSIGN(Statement streams,
                  database_->Prepare(fmt::format("DELETE FROM streams WHERE {} AND NOT EXISTS (SELECT 1 FROM records "
                                                 "WHERE stream = streams.row) RETURNING row",
                                                 past)));
  int64_t ended = 0;
  while (true) {
    BULKHEAD_ASSIGN(const bool more, streams.Step());
    if (!more) break;
    ++ended;
  }
  const auto turn = static_cast<uint64_t>(kTurn);
  return minutes.records < turn && hours.records < turn && ended < kTurn;
}

Result<Ledger::Dropped> Ledger::Thin(uint64_t spool_bytes, int64_t most) {
  Dropped thinned;
  if (spool_bytes <= spool_max_) over_ = false;
  for (const Mark mark : {kPlain, kMinute, kHour}) {
    if (spool_bytes - std::min(thinned.bytes, spool_bytes) <= spool_max_) break;
    const std::string which = fmt::format("mark = {} AND sequence > {}", static_cast<int64_t>(mark), acknowledged_);
    BULKHEAD_ASSIGN(const Dropped dropped, Drop(which, most - static_cast<int64_t>(thinned.records)));
    thinned.bytes += dropped.bytes;
    thinned.records += dropped.records;
    if (!over_) {
      over_ = true;
      log::Warning("usage spool is full, thinning records between the first and the newest of each task",
                   {{"spool_max", spool_max_}, {"bytes", spool_bytes}});
    }
  }
  return thinned;
}

Result<bool> Ledger::Acknowledge(uint64_t sequence) {
  if (sequence > last_sequence_)
    return InvalidArgument(fmt::format("acknowledge usage record {}: the newest one is {}", sequence, last_sequence_));
  if (sequence <= acknowledged_) return true;
  BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database_));
  BULKHEAD_ASSIGN(Statement turn, database_->Prepare("SELECT sequence FROM records WHERE sequence > ? AND sequence < ? "
                                                     "ORDER BY sequence LIMIT 1 OFFSET ?"));
  turn.Bind(1, static_cast<int64_t>(acknowledged_)).Bind(2, static_cast<int64_t>(sequence)).Bind(3, kTurn - 1);
  BULKHEAD_ASSIGN(const bool more, turn.Step());
  if (more) sequence = static_cast<uint64_t>(turn.Int(0));
  turn.Reset();
  BULKHEAD_ASSIGN(Statement sum, database_->Prepare("SELECT COALESCE(SUM(length(counters) + ?), 0) FROM records "
                                                    "WHERE sequence > ? AND sequence <= ?"));
  sum.Bind(1, static_cast<int64_t>(kRowOverhead)).Bind(2, static_cast<int64_t>(acknowledged_));
  BULKHEAD_RETURN_IF_ERROR(sum.Bind(3, static_cast<int64_t>(sequence)).Step().status());
  const auto bytes = static_cast<uint64_t>(sum.Int(0));
  sum.Reset();
  BULKHEAD_RETURN_IF_ERROR(database_->Execute(fmt::format(
      "UPDATE ledger SET acknowledged = {0}; DELETE FROM records WHERE mark = 0 AND sequence <= {0} AND {1}", sequence,
      kNotNewest)));
  BULKHEAD_RETURN_IF_ERROR(transaction.Commit());
  acknowledged_ = sequence;
  spool_bytes_ -= std::min(bytes, spool_bytes_);
  return !more;
}

}  // namespace bulkhead
