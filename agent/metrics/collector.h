// Takes the snapshot that a scrape shows.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/event_loop.h"
#include "agent/engine/engine.h"
#include "agent/metrics/snapshot.h"
#include "agent/usage/ledger.h"
#include "agent/usage/sampler.h"

namespace bulkhead {

// Core thread only. Reads the kernel for tenants' counters and for what is attached; all else is in memory: enforcement
// and limits are those that the last reconciliation found, usage is the newest sample.
class MetricsCollector {
 public:
  struct Parts {
    const Engine& engine;
    const EventLog& events;
    const Ledger& ledger;
    const Sampler& sampler;
    const EventLoop& loop;
    const Clock& clock;
    // The kernel's counters of a tenant's cgroup, without the network's.
    std::function<Result<UsageReading>(const TenantId&)> read_tenant;
    std::function<std::vector<MapUse>()> map_use;
    std::function<Result<NetworkCounters>()> unknown;  // packets of no task
    std::function<bool()> attached;
    // What neither engine nor usage knows: calls, controller, load, rounds, ready, and who the node is.
    std::function<void(MetricsSnapshot&)> fill;
  };
  explicit MetricsCollector(Parts parts) : parts_(std::move(parts)) {}

  MetricsSnapshot Collect();

 private:
  void AddObjects(MetricsSnapshot& snapshot) const;

  Parts parts_;
  Histogram collects_{0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1};
};

}  // namespace bulkhead
