// The fields of the configuration that may change while the agent runs, and who has to be told.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/daemon/controller_link.h"
#include "agent/daemon/metrics_endpoint.h"
#include "agent/manifest/agent_config.h"
#include "agent/rpc/server.h"
#include "agent/usage/ledger.h"

namespace bulkhead {

// Of the configuration as it is at the time.
AccessRules RulesOf(const AgentConfig& config, const std::string& tenant_root);

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
  LiveConfig(Parts parts, AgentConfig running) : parts_(std::move(parts)), running_(std::move(running)) {}

  // At start: begins to offer metrics. After an error there are none, and the next reload tries again.
  Status OpenMetrics();

  // Does what may fail on the way from the running configuration to `next`, without bringing it into force: that is
  // what the returned closure does. To drop it changes nothing.
  using Commit = std::function<void()>;
  Result<Commit> Prepare(const AgentConfig& next);

  const AgentConfig& running() const { return running_; }

 private:
  using Endpoint = std::shared_ptr<MetricsEndpoint>;  // shared: closures are copied
  Result<Endpoint> Open(const AgentConfig& config) const;
  void Take(const AgentConfig& next, const Endpoint& metrics);

  Parts parts_;
  AgentConfig running_;
  Endpoint metrics_;
};

}  // namespace bulkhead
