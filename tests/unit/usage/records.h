// Records for ledger tests.
#pragma once

#include <chrono>
#include <string>

#include "agent/usage/ledger.h"

namespace bulkhead::test {

inline constexpr uint64_t kPlenty = 256 << 20;
inline const WallTime kStart{std::chrono::seconds(1'750'000'000)};

// A record of acme/NAME, `second` seconds into its life.
inline UsageRecord Record(const std::string& name, int second, uint64_t cpu_ns, const std::string& boot = "boot-1") {
  UsageRecord record;
  record.boot_id = boot;
  record.task = TaskId{"acme", name};
  record.task_uid = "uid-" + name;
  record.cgroup_id = 42;
  record.start_wall = kStart;
  record.start_boot = std::chrono::hours(1);
  record.end_wall = kStart + std::chrono::seconds(second);
  record.end_boot = record.start_boot + std::chrono::seconds(second);
  record.totals.counters.at = record.end_boot;
  record.totals.counters.cpu_ns = cpu_ns;
  record.first = second == 0;
  return record;
}

inline UsageRecord Final(UsageRecord record) {
  record.final = true;
  return record;
}

inline Status AppendOne(Ledger& ledger, const UsageRecord& record) {
  std::vector<UsageRecord> records{record};
  return ledger.Append(records);
}

}  // namespace bulkhead::test
