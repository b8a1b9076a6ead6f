// Limits as text for people. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bulkhead/v1/limits.pb.h"
#include "bulkhead/v1/task.pb.h"

namespace bulkhead::cli {

// Name and value of each limit that is set, in the schema's order: {"memory.swap_max", "64 MiB"}; those of disks and
// huge pages last: {"io.read_bps", "1 MiB/s on 254:0"}.
std::vector<std::pair<std::string, std::string>> LimitLines(const v1::Limits& limits);

// "memory.max 1.5x": the tasks' limits together, in terms of their tenant's.
std::string OverText(const v1::OverCommit& commit);

}  // namespace bulkhead::cli
