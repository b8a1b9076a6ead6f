// How ledger.cpp and ledger_queries.cpp read records back from SQLite.
#pragma once

#include <vector>

#include "agent/base/sqlite.h"
#include "agent/usage/ledger.h"

namespace bulkhead {

// Ends in "JOIN records r ON"; streams are s.
inline constexpr char kSelectRecord[] =
    "SELECT r.sequence, r.end_wall, r.end_boot, r.first, r.final, r.estimated, r.counters, s.boot_id, s.task_uid, "
    "s.cgroup_id, s.tenant, s.task, s.start_wall, s.start_boot FROM streams s JOIN records r ON ";
inline constexpr char kNewestOfStream[] =
    "r.sequence = (SELECT MAX(n.sequence) FROM records n WHERE n.stream = s.row) ";
// In a DELETE FROM records.
inline constexpr char kNotNewest[] =
    "sequence < (SELECT MAX(n.sequence) FROM records n WHERE n.stream = records.stream) ";

inline int64_t Nanoseconds(WallTime time) { return time.time_since_epoch().count(); }

// All rows of a kSelectRecord that is bound; kDataLoss names the record that does not decode.
Result<std::vector<UsageRecord>> ReadRecords(Statement& statement);

}  // namespace bulkhead
