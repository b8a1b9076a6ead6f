// The node itself and what was used.
#include <algorithm>

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "agent/base/host.h"
#include "agent/base/log.h"
#include "agent/base/version.h"
#include "agent/plan/diagnose.h"
#include "agent/rpc/convert.h"
#include "agent/rpc/encode_state.h"
#include "agent/rpc/node_api.h"

namespace bulkhead {

Status NodeApi::GetNode(const v1::GetNodeRequest&, v1::GetNodeResponse& response) {
  response.set_node_id(facts_.node_id);
  response.set_boot_id(facts_.boot_id);
  response.set_agent_version(kVersion);
  response.set_kernel(KernelRelease());
  response.set_cgroup_root(facts_.cgroup_root);
  response.set_cgroup_mode(facts_.cgroup_mode);
  response.set_baseline(EncodeBaseline(facts_.baseline));
  response.set_config_file(facts_.config_file);
  for (const Feature& feature : facts_.features) {
    v1::Feature& entry = *response.add_features();
    entry.set_name(feature.name);
    entry.set_works(feature.works);
    entry.set_detail(feature.detail);
  }
  response.set_ready(parts_.ready());
  *response.mutable_started_at() = EncodeTime(facts_.started);

  const ObjectState state = parts_.engine.NodeState();
  response.set_enforcement(EncodeEnforcement(state.enforcement));
  for (const std::string& reason : state.reasons) response.add_reasons(reason);
  for (const MapUse& use : parts_.map_use()) {
    v1::MapUse& entry = *response.add_maps();
    entry.set_name(use.map);
    entry.set_used(use.used);
    entry.set_capacity(use.capacity);
  }
  const ReportState reporting = parts_.controller();
  v1::ControllerState& controller = *response.mutable_controller();
  controller.set_address(reporting.address);
  controller.set_connected(reporting.connected);
  controller.set_error(reporting.error);
  controller.set_last_sequence(parts_.ledger.last_sequence());
  controller.set_acknowledged_sequence(parts_.ledger.acknowledged_sequence());

  const DesiredState& desired = parts_.engine.desired();
  response.set_tenants(static_cast<uint32_t>(desired.tenants.size()));
  response.set_tasks(static_cast<uint32_t>(desired.tasks.size()));
  response.set_policies(static_cast<uint32_t>(desired.policies.size()));

  response.set_log_level(log::Level());
  const LoadState load = parts_.load();
  *response.mutable_load()->mutable_time() = EncodeTime(load.time);
  if (!load.error.ok()) response.mutable_load()->set_error(Message(load.error));
  if (load.success) *response.mutable_load()->mutable_success_time() = EncodeTime(*load.success);
  FillLeftOver(*response.mutable_left_over());
  return Ok();
}

void NodeApi::FillLeftOver(google::protobuf::RepeatedPtrField<std::string>& names) const {
  for (const ObjectKey& key : parts_.engine.LeftOver()) *names.Add() = fmt::format("{} {}", key.kind, key.name);
}

void NodeApi::Reload(v1::ReloadResponse& response, Done done) {
  parts_.reload([this, &response, done = std::move(done)](const Result<ReloadReport>& report) {
    if (!report.ok()) return done(report.status());
    for (const std::string& field : report->changed_fields) response.add_changed_fields(field);
    for (const ObjectResult& result : report->objects) *response.add_results() = EncodeResult(result);
    FillLeftOver(*response.mutable_left_over());
    done(Ok());
  });
}

Status NodeApi::SetLogLevel(const v1::SetLogLevelRequest& request, v1::SetLogLevelResponse& response) {
  response.set_previous(log::Level());
  BULKHEAD_RETURN_IF_ERROR(Annotate(log::SetLevel(request.level()), "level"));
  if (response.previous() != request.level())
    log::Info("log level changed", {{"from", response.previous()}, {"to", request.level()}});
  return Ok();
}

Status NodeApi::Diagnose(const v1::DiagnoseRequest&, v1::DiagnoseResponse& response) const {
  DiagnosisFacts facts = parts_.look_over();
  facts.features = facts_.features;
  const ObjectState state = parts_.engine.NodeState();
  facts.walls_failed = state.enforcement == Enforcement::kFailed;
  facts.wall_reasons = state.reasons;
  facts.load_error = Message(parts_.load().error);
  for (const MapUse& use : parts_.map_use()) facts.tables.push_back({use.map, use.used, use.capacity});
  facts.spool_bytes = parts_.ledger.spool_bytes();
  facts.spool_max = parts_.ledger.spool_max();
  facts.thinned_records = parts_.ledger.thinned_records();
  const ReportState controller = parts_.controller();
  facts.controller = {controller.address, controller.connected, controller.error,
                      parts_.ledger.last_sequence() - parts_.ledger.acknowledged_sequence()};
  for (const Finding& finding : ::bulkhead::Diagnose(facts)) {
    v1::Finding& entry = *response.add_findings();
    entry.set_severity(EncodeSeverity(finding.severity));
    entry.set_check(finding.check);
    entry.set_found(finding.found);
    entry.set_meaning(finding.meaning);
    entry.set_action(finding.action);
  }
  return Ok();
}

// The tenant's own cgroup knows time, memory and processes, those of tasks that have ended included; traffic and the
// memory integral are kept by task.
v1::Usage NodeApi::UsageOf(const TenantId& tenant) {
  UsageTotals totals;
  const auto& tasks = parts_.engine.desired().tasks;
  for (auto at = tasks.lower_bound(TaskId{tenant.name, ""}); at != tasks.end() && at->first.tenant == tenant.name;
       ++at) {
    const UsageTotals* task = parts_.sampler.Latest(at->first);
    if (task == nullptr) continue;
    totals.memory_byte_seconds += task->memory_byte_seconds;
    totals.counters.oom_kills += task->counters.oom_kills;
    totals.counters.pids_failures += task->counters.pids_failures;
    for (size_t direction = 0; direction < 2; ++direction) {
      const NetworkCounters& from = task->counters.network;
      NetworkCounters& to = totals.counters.network;
      for (size_t scope = 0; scope < kScopes; ++scope) {
        to.passed[direction][scope].bytes += from.passed[direction][scope].bytes;
        to.passed[direction][scope].packets += from.passed[direction][scope].packets;
      }
      for (size_t reason = 0; reason < kDropReasons; ++reason)
        to.dropped[direction][reason] += from.dropped[direction][reason];
    }
  }
  if (auto reading = parts_.read_tenant(tenant); reading.ok()) {
    reading->network = totals.counters.network;
    // v1 controllers do not add a task's to its tenant's.
    reading->oom_kills = std::max(reading->oom_kills, totals.counters.oom_kills);
    reading->pids_failures = std::max(reading->pids_failures, totals.counters.pids_failures);
    totals.counters = *reading;
  }
  return EncodeUsage(totals);
}

Status NodeApi::GetUsage(const v1::GetUsageRequest& request, v1::GetUsageResponse& response) {
  std::optional<WallTime> since;
  if (request.has_since()) {
    using google::protobuf::util::TimeUtil;
    if (request.since().seconds() < 0 || request.since().nanos() < 0 || request.since().seconds() > 100LL * 365 * 86400)
      return InvalidArgument("since: use 0s to 100 years");
    since = parts_.clock.Wall() - std::chrono::nanoseconds(TimeUtil::DurationToNanoseconds(request.since()));
  }
  if (!request.tenant().empty()) BULKHEAD_RETURN_IF_ERROR(ValidateName(request.tenant(), "tenant"));
  BULKHEAD_ASSIGN(std::vector<UsageRecord> records, parts_.ledger.Totals(request.tenant(), since));
  if (records.size() > kMaxUsage)
    return ResourceExhausted(
        fmt::format("usage: {} tasks; at most {} in one answer: ask by tenant", records.size(), kMaxUsage));
  for (const UsageRecord& record : records) {
    v1::TaskUsage& entry = *response.add_tasks();
    entry.set_tenant(record.task.tenant);
    entry.set_task(record.task.name);
    entry.set_task_uid(record.task_uid);
    *entry.mutable_start_time() = EncodeTime(record.start_wall);
    *entry.mutable_end_time() = EncodeTime(record.end_wall);
    entry.set_final(record.final);
    *entry.mutable_usage() = EncodeUsage(record.totals);
  }
  return Ok();
}

}  // namespace bulkhead
