#include "agent/daemon/live_config.h"

#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>

#include "agent/base/log.h"

namespace bulkhead {

std::chrono::nanoseconds SamplingPeriod(const v1::Config& config) {
  return std::chrono::nanoseconds(google::protobuf::util::TimeUtil::DurationToNanoseconds(config.usage().interval()));
}

AccessRules RulesOf(const v1::Config& config, const std::string& tenant_root) {
  return {.read_group = config.listen().read_group(),
          .admin_group = config.listen().admin_group(),
          .tenant_root = tenant_root};
}

Result<LiveConfig::Commit> LiveConfig::Prepare(const v1::Config& next) {
  BULKHEAD_RETURN_IF_ERROR(parts_.controller.Check(next.controller()));
  Endpoint metrics = metrics_;
  if (next.metrics().listen() != running_.metrics().listen()) {
    BULKHEAD_ASSIGN(metrics, Open(next));
  }
  return Commit([this, next, metrics] { Take(next, metrics); });
}

Result<LiveConfig::Endpoint> LiveConfig::Open(const v1::Config& config) const {
  BULKHEAD_ASSIGN(auto endpoint, MetricsEndpoint::Open(config.metrics().listen(), RulesOf(config, parts_.tenant_root),
                                                       parts_.metrics));
  return Endpoint(std::move(endpoint));
}

Status LiveConfig::OpenMetrics() {
  auto opened = Open(running_);
  if (!opened.ok()) {
    running_.mutable_metrics()->clear_listen();
    return opened.status();
  }
  metrics_ = *std::move(opened);
  return Ok();
}

// Nothing here fails for what Prepare has let pass; if it did all the same, the rest is done.
void LiveConfig::Take(const v1::Config& next, const Endpoint& metrics) {
  const auto tell = [](const char* what, const Status& status) {
    if (!status.ok()) log::Error("a field of the configuration is not in force", {{"field", what}, {"why", status}});
  };
  tell("log.level", log::SetLevel(next.log().level()));
  if (SamplingPeriod(next) != SamplingPeriod(running_))
    tell("usage.interval", parts_.loop.SetPeriod(parts_.sampling, SamplingPeriod(next)));
  parts_.ledger.SetSpoolMax(next.usage().spool_max());
  parts_.server.SetRules(RulesOf(next, parts_.tenant_root));
  metrics_ = metrics;
  if (metrics_) metrics_->SetRules(RulesOf(next, parts_.tenant_root));
  if (!google::protobuf::util::MessageDifferencer::Equivalent(next.controller(), running_.controller()))
    tell("controller", parts_.controller.Set(next.controller()));
  running_ = next;
}

}  // namespace bulkhead
