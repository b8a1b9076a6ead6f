// Where the values of a scrape come from.
#pragma once

#include <functional>

#include "agent/daemon/controller_link.h"
#include "agent/daemon/meter.h"
#include "agent/kernel/policy_maps.h"
#include "agent/metrics/collector.h"
#include "agent/rpc/node_api.h"
#include "agent/rpc/server.h"

namespace bulkhead {

struct NodeMetricsParts {
  const NodeFacts& facts;
  const EventLoop& loop;
  const Clock& clock;
  const Engine& engine;
  const EventLog& events;
  const Ledger& ledger;
  const Sampler& sampler;
  const Meter& meter;
  TenantMeter& tenants;
  PolicyMaps& maps;
  const Server& server;
  const ControllerLink& controller;
  std::function<Result<NetworkCounters>()> unknown;  // packets of no task
  std::function<LoadState()> load;
  std::function<bool()> ready;
};

MetricsCollector MakeCollector(const NodeMetricsParts& parts);

}  // namespace bulkhead
