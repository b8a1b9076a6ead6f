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
};

// Core thread only.
class Ledger {
 public:
  // Streams of another boot that were still open are closed with a record flagged final and estimated.
  static Result<std::unique_ptr<Ledger>> Open(const std::string& path, const std::string& boot_id, uint64_t spool_max);

  // Numbers and stores the records in one transaction; on return they are durable. Full disk: nothing of the batch is
  // stored, no number is used up.
  Status Append(std::vector<UsageRecord>& records);

  std::string id() const { return id_; }  // random, made with the file
  uint64_t last_sequence() const;
  uint64_t acknowledged_sequence() const;
  // Records after `sequence`, at most `limit`.
  Result<std::vector<UsageRecord>> ReadAfter(uint64_t sequence, size_t limit);
  // The controller has these: they no longer count against spool_max. Monotone; beyond last_sequence is
  // InvalidArgument.
  Status Acknowledge(uint64_t sequence);

  // The newest record of every stream of this boot that is not final: where a restarted agent goes on.
  Result<std::vector<UsageRecord>> OpenStreams();
  // Per stream: the newest record, minus the state at `since` (boot clock) when given.
  Result<std::vector<UsageRecord>> Totals(const std::string& tenant, std::optional<WallTime> since);

 private:
  std::unique_ptr<Database> database_;
  std::string id_;
};

}  // namespace bulkhead
