// What `top` shows, from two looks at the node. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/render.h"
#include "bulkhead/v1/node_service.pb.h"

namespace bulkhead::cli {

// Everything at one time.
struct Snapshot {
  v1::ListTenantsResponse tenants;
  v1::ListTasksResponse tasks;
};

enum class SortBy { kName, kCpu, kMemory, kNet, kPids };

struct TopRow {
  std::string name;  // "acme", "acme/web-1"
  bool tenant = false;
  v1::Limits limits;
  std::optional<double> cpus;       // nullopt: no second sample yet
  std::optional<double> throttled;  // part of the time, 0 to 1
  uint64_t memory_bytes = 0;
  uint64_t pids = 0;
  std::optional<double> received_per_second;  // bytes
  std::optional<double> sent_per_second;
  uint64_t dropped = 0;  // since the task began
};

// Tenants in order, each followed by its tasks in order; the largest first, but names from a to z. Rates are per time
// between the agent's samples, not between our calls.
std::vector<TopRow> MakeRows(const Snapshot& before, const Snapshot& now, SortBy sort);
Table MakeTable(const std::vector<TopRow>& rows);

}  // namespace bulkhead::cli
