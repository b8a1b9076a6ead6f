// The fields of a reading as a list, so that sums, comparisons and the stored form cannot forget one.
#pragma once

#include <string>

#include "agent/base/status.h"
#include "agent/usage/ledger.h"

namespace bulkhead {

// Calls fn(a_field, b_field) for every counter: what only grows while a cgroup lives.
template <typename A, typename B, typename Fn>
void ForEachCounter(A& a, B& b, Fn fn) {
  fn(a.cpu_ns, b.cpu_ns);
  fn(a.throttled_ns, b.throttled_ns);
  fn(a.throttled_periods, b.throttled_periods);
  fn(a.oom_kills, b.oom_kills);
  fn(a.pids_failures, b.pids_failures);
  for (size_t way = 0; way < a.network.passed.size(); ++way) {
    for (size_t scope = 0; scope < kScopes; ++scope) {
      fn(a.network.passed[way][scope].bytes, b.network.passed[way][scope].bytes);
      fn(a.network.passed[way][scope].packets, b.network.passed[way][scope].packets);
    }
    for (size_t reason = 0; reason < kDropReasons; ++reason)
      fn(a.network.dropped[way][reason], b.network.dropped[way][reason]);
  }
}

// The rest: what goes up and down.
template <typename A, typename B, typename Fn>
void ForEachGauge(A& a, B& b, Fn fn) {
  fn(a.memory_bytes, b.memory_bytes);
  fn(a.memory_peak_bytes, b.memory_peak_bytes);
  fn(a.pids, b.pids);
}

bool SameCounters(const UsageReading& a, const UsageReading& b);
// Some counter of `now` is below `before`, or the memory integral is.
bool WentDown(const UsageTotals& before, const UsageTotals& now);

// The stored form of what a record holds beyond its columns: totals, carried, slot. Variable-length integers in the
// order above behind a version byte; an idle task takes about 100 bytes. Later versions append.
std::string EncodeCounters(const UsageRecord& record);
Status DecodeCounters(const std::string& bytes, UsageRecord& record);  // kDataLoss when it is not that

}  // namespace bulkhead
