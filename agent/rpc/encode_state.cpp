#include "agent/rpc/encode_state.h"

#include <google/protobuf/util/time_util.h>

#include "agent/rpc/convert.h"

namespace bulkhead {

v1::Enforcement EncodeEnforcement(Enforcement enforcement) {
  switch (enforcement) {
    case Enforcement::kEnforced:
      return v1::ENFORCEMENT_ENFORCED;
    case Enforcement::kPending:
      return v1::ENFORCEMENT_PENDING;
    case Enforcement::kDegraded:
      return v1::ENFORCEMENT_DEGRADED;
    case Enforcement::kFailed:
      break;
  }
  return v1::ENFORCEMENT_FAILED;
}

v1::ObjectStatus EncodeState(const ObjectState& state) {
  v1::ObjectStatus status;
  status.set_enforcement(EncodeEnforcement(state.enforcement));
  for (const std::string& reason : state.reasons) status.add_reasons(reason);
  *status.mutable_effective_limits() = EncodeLimits(state.effective_limits);
  status.set_cgroup_id(state.cgroup_id);
  status.set_populated(state.populated);
  status.set_uid(state.uid);
  *status.mutable_overall_limits() = EncodeLimits(state.overall.limits);
  for (const auto& [id, level] : state.overall.decided_by) (*status.mutable_decided_by())[ToString(id)] = level;
  for (const OverCommit& commit : state.over_commits) {
    v1::OverCommit& entry = *status.add_over_commits();
    entry.set_limit(ToString(commit.id));
    entry.set_tenant(commit.limit);
    entry.set_tasks(commit.sum);
  }
  return status;
}

google::protobuf::Timestamp EncodeTime(WallTime time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(time.time_since_epoch().count());
}

v1::ApplyOutcome EncodeOutcome(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCreated:
      return v1::APPLY_OUTCOME_CREATED;
    case Outcome::kChanged:
      return v1::APPLY_OUTCOME_CHANGED;
    case Outcome::kUnchanged:
      return v1::APPLY_OUTCOME_UNCHANGED;
    case Outcome::kRefused:
      return v1::APPLY_OUTCOME_REFUSED;
    case Outcome::kPending:
      return v1::APPLY_OUTCOME_PENDING;
    case Outcome::kDeleted:
      break;
  }
  return v1::APPLY_OUTCOME_DELETED;
}

v1::ApplyResult EncodeResult(const ObjectResult& result) {
  v1::ApplyResult entry;
  entry.set_kind(result.kind);
  entry.set_name(result.name);
  entry.set_outcome(EncodeOutcome(result.outcome));
  if (!result.error.ok()) entry.set_error(Message(result.error));
  for (const std::string& step : result.steps) entry.add_steps(step);
  return entry;
}

v1::Severity EncodeSeverity(Severity severity) {
  switch (severity) {
    case Severity::kOk:
      return v1::SEVERITY_OK;
    case Severity::kNote:
      return v1::SEVERITY_NOTE;
    case Severity::kUnknown:
      return v1::SEVERITY_UNKNOWN;
    case Severity::kWarning:
      return v1::SEVERITY_WARNING;
    case Severity::kError:
      break;
  }
  return v1::SEVERITY_ERROR;
}

}  // namespace bulkhead
