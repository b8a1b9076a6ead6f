// The fields of the configuration that may change while the agent runs, and who has to be told.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/daemon/controller_link.h"
#include "agent/daemon/metrics_endpoint.h"
#include "agent/rpc/server.h"
#include "agent/usage/ledger.h"
#include "bulkhead/v1/config.pb.h"

namespace bulkhead {

// Of the configuration as it is at the time.
std::chrono::nanoseconds SamplingPeriod(const v1::Config& config);
AccessRules RulesOf(const v1::Config& config, const std::string& tenant_root);

// Core thread only.
class LiveConfig {
 public:
  struct Parts {
    EventLoop& loop;
    EventLoop::TimerId sampling;
    Ledger& ledger;
    Server& server;
    ControllerLink& controller;
    MetricsEndpoint::Parts metrics;
    std::string tenant_root;
  };
  LiveConfig(Parts parts, v1::Config running) : parts_(std::move(parts)), running_(std::move(running)) {}

  // At start: begins to offer metrics. After an error there are none, and the next reload tries again.
  Status OpenMetrics();

  // Does what may fail on the way from the running configuration to `next`, without bringing it into force: that is
  // what the returned closure does. To drop it changes nothing.
  using Commit = std::function<void()>;
  Result<Commit> Prepare(const v1::Config& next);

  const v1::Config& running() const { return running_; }

 private:
  using Endpoint = std::shared_ptr<MetricsEndpoint>;  // shared: closures are copied
  Result<Endpoint> Open(const v1::Config& config) const;
  void Take(const v1::Config& next, const Endpoint& metrics);

  Parts parts_;
  v1::Config running_;
  Endpoint metrics_;
};

}  // namespace bulkhead
