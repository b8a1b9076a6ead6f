// The durable account of what was used: numbered, cumulative records in SQLite. A record is on disk before anyone sees
// it; the network is a consumer, never the truth.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/sqlite.h"
#include "agent/base/status.h"
#include "agent/model/usage.h"

namespace bulkhead {

// Cumulative since the stream's start. A stream is (boot, task uid, cgroup id).
struct UsageTotals {
  UsageReading counters;  // cumulative; `at` is the time of the reading
  uint64_t memory_byte_seconds = 0;
};

struct UsageRecord {
  uint64_t sequence = 0;  // gap-free per ledger, from 1; set by Append
  std::string boot_id;
  TaskId task;
  std::string task_uid;
  uint64_t cgroup_id = 0;
  WallTime start_wall{};
  WallTime end_wall{};
  BootTime start_boot{};
  BootTime end_boot{};
  UsageTotals totals;
  bool first = false;
  bool final = false;
  bool estimated = false;

  // For the sampler that goes on after a restart; not reported. The part of `totals` that the kernel no longer counts,
  // because its counters started over: totals = carried + kernel.
  UsageReading carried;
  uint32_t slot = 0;  // whose network counters were read
};

struct StreamKey {
  std::string boot_id;
  std::string task_uid;
  uint64_t cgroup_id = 0;
  auto operator<=>(const StreamKey&) const = default;
};
StreamKey KeyOf(const UsageRecord& record);

// Core thread only.
//
// What stays on disk: the newest record of every stream; of ended ones for 24 h after the controller has it, and for
// ever without a controller. Every record until it is acknowledged, unless the spool is over spool_max: then records
// between a stream's first and its newest are thinned, all but one a minute, then all but one an hour, then those too.
// Their sequences are never used again: a reader sees a gap and, the values being cumulative, loses resolution only.
// Acknowledged records are thinned at once to one a minute for 2 h and one an hour for 24 h, which is what `since` of
// Totals can resolve.
//
// No call holds the core thread for longer than it takes to store what it is given and to mark or forget kTurn records,
// some milliseconds. The rest of a large backlog goes with the calls that follow.
class Ledger {
 public:
  static constexpr int64_t kTurn = 2000;

  // Streams of another boot that were still open are closed with a record flagged final and estimated.
  // kDataLoss: the file is corrupt, or of a schema newer than this agent; see OpenOrSetAside.
  // spool_max: bytes that unacknowledged records may take (about; SQLite's own overhead is estimated).
  static Result<std::unique_ptr<Ledger>> Open(const std::string& path, const std::string& boot_id, uint64_t spool_max);
  // A corrupt ledger never blocks the start: the file is renamed to PATH.corrupt-<time> and a new one, with an id of
  // its own, is made. set_aside names the renamed file, empty when all was well. Running tasks lose nothing but their
  // memory integral (the kernel still has their counters); what ended tasks had not yet reported is in the renamed
  // file.
  static Result<std::unique_ptr<Ledger>> OpenOrSetAside(const std::string& path, const std::string& boot_id,
                                                        uint64_t spool_max, std::string& set_aside);

  // Numbers and stores the records in one transaction; on return they are durable. Full disk: nothing of the batch is
  // stored, no number is used up. Internal, naming the task, when a value would go down within its stream. A record
  // after a final one opens the stream again (a removal that failed).
  Status Append(std::vector<UsageRecord>& records);

  void SetSpoolMax(uint64_t bytes) { spool_max_ = bytes; }  // holds from the next Append on

  std::string id() const { return id_; }  // random, made with the file
  uint64_t last_sequence() const { return last_sequence_; }
  uint64_t acknowledged_sequence() const { return acknowledged_; }
  uint64_t spool_bytes() const { return spool_bytes_; }  // that unacknowledged records take
  uint64_t spool_max() const { return spool_max_; }
  uint64_t thinned_records() const { return thinned_; }  // for want of room, since Open

  // Records after `sequence`, ascending, at most `limit`. Sequences that were thinned are absent; the last one of the
  // ledger never is, unless it was acknowledged.
  Result<std::vector<UsageRecord>> ReadAfter(uint64_t sequence, size_t limit);
  // The controller has these: they no longer count against spool_max. Monotone; beyond last_sequence is
  // InvalidArgument. At most kTurn records in one call: false when there are more, for which it is to be called again.
  Result<bool> Acknowledge(uint64_t sequence);

  // The newest record of every stream of this boot that is not final: where a restarted agent goes on.
  Result<std::vector<UsageRecord>> OpenStreams();
  // The newest record of one stream, ended or not.
  Result<std::optional<UsageRecord>> Newest(const StreamKey& stream);
  // Per stream, ordered by tenant, task and age: the newest record. With `since`: only streams that have one after it,
  // and minus the newest record at or before it; start_wall and start_boot then say from when the difference counts.
  // tenant "": all.
  Result<std::vector<UsageRecord>> Totals(const std::string& tenant, std::optional<WallTime> since);

 private:
  struct Stream {
    int64_t row = 0;
    UsageTotals totals;
    BootTime end_boot{};
    bool empty = true;  // no record yet
  };
  struct Dropped {
    uint64_t bytes = 0;
    uint64_t records = 0;
  };

  Ledger(std::unique_ptr<Database> database, std::string boot_id, uint64_t spool_max)
      : database_(std::move(database)), boot_id_(std::move(boot_id)), spool_max_(spool_max) {}
  Status Load();
  Status CloseOtherBoots();
  Status Store(std::vector<UsageRecord>& records);
  Result<Stream> FindStream(const UsageRecord& record);
  Status Insert(const UsageRecord& record, const Stream& stream);
  Result<Dropped> Drop(const std::string& which, int64_t most);
  Result<bool> Expire(WallTime now);
  Result<Dropped> Thin(uint64_t spool_bytes, int64_t most);

  std::unique_ptr<Database> database_;
  std::string boot_id_;
  uint64_t spool_max_;
  std::string id_;
  uint64_t last_sequence_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t spool_bytes_ = 0;
  uint64_t thinned_ = 0;
  bool over_ = false;      // over spool_max: said once
  bool unclosed_ = false;  // streams of another boot wait for room on the disk
  std::chrono::minutes expired_{};
  std::map<StreamKey, Stream> streams_;  // the open ones that were written to
  std::optional<Statement> insert_;
};

}  // namespace bulkhead
