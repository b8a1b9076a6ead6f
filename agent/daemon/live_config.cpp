#include "agent/daemon/live_config.h"

#include "agent/base/log.h"

namespace bulkhead {

AccessRules RulesOf(const AgentConfig& config, const std::string& tenant_root) {
  return {.read_group = config.read_group, .admin_group = config.admin_group, .tenant_root = tenant_root};
}

Result<LiveConfig::Commit> LiveConfig::Prepare(const AgentConfig& next) {
  BULKHEAD_RETURN_IF_ERROR(parts_.controller.Check(next.controller));
  Endpoint metrics = metrics_;
  if (next.metrics_listen != running_.metrics_listen) {
    BULKHEAD_ASSIGN(metrics, Open(next));
  }
  return Commit([this, next, metrics] { Take(next, metrics); });
}

Result<LiveConfig::Endpoint> LiveConfig::Open(const AgentConfig& config) const {
  BULKHEAD_ASSIGN(auto endpoint,
                  MetricsEndpoint::Open(config.metrics_listen, RulesOf(config, parts_.tenant_root), parts_.metrics));
  return Endpoint(std::move(endpoint));
}

Status LiveConfig::OpenMetrics() {
  auto opened = Open(running_);
  if (!opened.ok()) {
    running_ = WithoutMetrics(running_);
    return opened.status();
  }
  metrics_ = *std::move(opened);
  return Ok();
}

// Nothing here fails for what Prepare has let pass; if it did all the same, the rest is done.
void LiveConfig::Take(const AgentConfig& next, const Endpoint& metrics) {
  const auto tell = [](const char* what, const Status& status) {
    if (!status.ok()) log::Error("a field of the configuration is not in force", {{"field", what}, {"why", status}});
  };
  tell("log.level", log::SetLevel(next.log_level));
  if (next.sampling_period != running_.sampling_period)
    tell("usage.interval", parts_.loop.SetPeriod(parts_.sampling, next.sampling_period));
  parts_.ledger.SetSpoolMax(next.spool_max);
  parts_.server.SetRules(RulesOf(next, parts_.tenant_root));
  metrics_ = metrics;
  if (metrics_) metrics_->SetRules(RulesOf(next, parts_.tenant_root));
  if (next.controller != running_.controller) tell("controller", parts_.controller.Set(next.controller));
  running_ = next;
}

}  // namespace bulkhead
