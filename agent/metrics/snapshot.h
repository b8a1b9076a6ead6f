// What a scrape shows, as plain values: taken on the core thread in one go, written out on another.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/histogram.h"
#include "agent/engine/engine.h"
#include "agent/usage/ledger.h"

namespace bulkhead {

struct ObjectSnapshot {
  std::string tenant;
  std::string task;  // empty: the tenant itself
  Limits wanted;
  Limits held;  // by the kernel
  Enforcement enforcement = Enforcement::kEnforced;
  std::optional<UsageTotals> usage;  // of a tenant without the network's and the memory integral
};

struct LedgerSnapshot {
  uint64_t last_sequence = 0;
  uint64_t acknowledged_sequence = 0;
  uint64_t spool_bytes = 0;
  uint64_t spool_max_bytes = 0;
  uint64_t thinned_records = 0;
};

struct MetricsSnapshot {
  std::string node_id;
  std::string kernel;
  std::string cgroup_mode;
  WallTime started{};
  bool ready = false;
  bool attached = false;  // every network program, to the top cgroup as it is now
  Enforcement enforcement = Enforcement::kEnforced;
  std::vector<ObjectSnapshot> tenants;
  std::vector<ObjectSnapshot> tasks;
  size_t policies = 0;
  size_t left_over = 0;
  std::vector<MapUse> maps;
  std::optional<NetworkCounters> unknown;  // packets of no task
  std::map<std::string, uint64_t> events;  // by type
  EngineStats engine;
  Histogram rounds;    // of sampling
  Histogram collects;  // of snapshots before this one
  LedgerSnapshot ledger;
  bool controller_configured = false;
  bool controller_connected = false;
  size_t inbox_waiting = 0;
  size_t inbox_capacity = 0;
  std::map<std::pair<std::string, std::string>, uint64_t> calls;  // by method and code
  bool loaded = false;                                            // configuration and manifests are in force
  std::optional<WallTime> load_success;
};

}  // namespace bulkhead
