// Reads every live task's counters at an interval, turns them into cumulative records and hands them to the ledger.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/kernel/usage_source.h"
#include "agent/usage/ledger.h"

namespace bulkhead {

// Core thread only. A cgroup that vanished, or one unreadable file, never stops the others.
//
// Totals are what the kernel counts plus what it counted before its counters started over (seen as a value below the
// last one; a counter that started over and passed its old value between two readings looks like growth). Memory is
// integrated over the boot clock by the mean of two readings, also across a restart of the agent (from the newest
// record then, so a change of an idle task's memory is spread over up to kIdleRecord). A stream begins with the first
// reading of a task; its memory before that is not counted.
class Sampler {
 public:
  // A task whose counters stand still gets a record only this often, for its memory integral.
  static constexpr std::chrono::seconds kIdleRecord{60};

  Sampler(UsageSource& source, Ledger& ledger, const Clock& clock, std::string boot_id);

  // Continues the streams that the ledger holds open. Those that the next Tick does not name are closed by it.
  Status Recover();
  // One round over these tasks; new ones begin a stream, and the streams of tasks that are not among them any more end
  // with a record flagged final and estimated. What was counted is durable when it returns, or the error of the ledger
  // (the next round then carries the same counters: cumulative values lose nothing).
  Status Tick(const std::vector<LiveTask>& tasks);
  // The last sample of a task whose processes are gone; durable when it returns Ok. Otherwise, the error of the ledger,
  // the stream goes on: to be asked again. Estimated, from the reading before, when the counters cannot be read any
  // more.
  Status Final(const LiveTask& task);
  // The newest sample; nullptr when there is none.
  const UsageTotals* Latest(const TaskId& task) const;

 private:
  struct Stream {
    UsageRecord record;                 // as of the last reading
    UsageReading kernel;                // that reading
    uint64_t memory_remainder = 0;      // byte·nanoseconds below one byte·second
    bool read = false;                  // there was a reading
    std::optional<UsageRecord> stored;  // newest in the ledger
    bool complaining = false;           // the last reading failed, which was logged
    bool ended = false;                 // the last reading was Final's: no process is left
    Status readable;                    // why the last reading failed
  };

  Result<Stream> Begin(const LiveTask& task);
  Status Find(const LiveTask& task);
  void Read(Stream& stream, const LiveTask& task);
  void Integrate(Stream& stream, const UsageReading& reading);
  bool Due(const Stream& stream) const;
  Status Store(const std::vector<Stream*>& streams);
  void End(const TaskId& task);

  UsageSource& source_;
  Ledger& ledger_;
  const Clock& clock_;
  std::string boot_id_;
  std::map<TaskId, Stream> streams_;
  std::vector<Stream> ending_;  // ended; their last record is not in the ledger yet
};

}  // namespace bulkhead
