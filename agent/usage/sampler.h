// Reads every live task's counters at an interval, turns them into cumulative records and hands them to the ledger.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/kernel/usage_source.h"
#include "agent/usage/ledger.h"

namespace bulkhead {

// Core thread only. A cgroup that vanished, or one unreadable file, never stops the others.
class Sampler {
 public:
  Sampler(UsageSource& source, Ledger& ledger, const Clock& clock, std::string boot_id);

  // Continues the streams that the ledger holds open.
  Status Recover();
  // One round over these tasks; new ones begin a stream. Ends with everything durable, or the error of the ledger (the
  // next round then carries the same counters: cumulative values lose nothing).
  Status Tick(const std::vector<LiveTask>& tasks);
  // The last sample of a task whose processes are gone; durable when it returns.
  Status Final(const LiveTask& task);
  // The newest sample; nullptr when there is none.
  const UsageTotals* Latest(const TaskId& task) const;

 private:
  UsageSource& source_;
  Ledger& ledger_;
  const Clock& clock_;
  std::string boot_id_;
};

}  // namespace bulkhead
