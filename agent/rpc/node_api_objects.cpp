// Desired state: what objects there are, and changes to them.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "agent/base/overload.h"
#include "agent/rpc/convert.h"
#include "agent/rpc/encode_state.h"
#include "agent/rpc/node_api.h"

namespace bulkhead {
namespace {

using std::string_literals::operator""s;

std::pair<std::string, std::string> KindAndName(const ObjectSpec& spec) {
  return std::visit(Overload{[](const TenantSpec& tenant) { return std::pair("tenant"s, tenant.id.name); },
                             [](const TaskSpec& task) { return std::pair("task"s, task.id.ToString()); },
                             [](const PolicySpec& policy) { return std::pair("policy"s, policy.id.ToString()); }},
                    spec);
}

Result<size_t> PageSize(int32_t asked) {
  if (asked < 0) return InvalidArgument("page_size: must not be negative");
  return static_cast<size_t>(asked == 0 ? kMaxPage : std::min(asked, kMaxPage));
}

std::string NameOf(const TenantId& id) { return id.name; }
template <typename Id>
std::string NameOf(const Id& id) {
  return id.ToString();
}

Result<TenantId> IdOf(const std::string& text, TenantId*) {
  BULKHEAD_RETURN_IF_ERROR(ValidateName(text, "name"));
  return TenantId{text};
}
template <typename Id>
Result<Id> IdOf(const std::string& text, Id*) {
  BULKHEAD_ASSIGN(const TaskId id, ParseTaskId(text));
  return Id{id.tenant, id.name};
}

// The page token is the name of the last object of the page before: objects that come and go in between neither repeat
// nor hide others.
template <typename Id, typename Spec, typename Request, typename Response, typename Matches, typename Emit>
Status ListPage(const std::map<Id, Spec>& objects, const Request& request, Response& response, Matches matches,
                Emit emit) {
  BULKHEAD_ASSIGN(const size_t size, PageSize(request.page_size()));
  auto at = objects.begin();
  if (!request.page_token().empty()) {
    const Result<Id> last = IdOf(request.page_token(), static_cast<Id*>(nullptr));
    if (!last.ok()) return InvalidArgument("page_token: not a token of this list");
    at = objects.upper_bound(*last);
  }
  size_t count = 0;
  std::string newest;
  for (; at != objects.end(); ++at) {
    if (!matches(at->first)) continue;
    if (count == size) {
      response.set_next_page_token(newest);
      break;
    }
    emit(at->second);
    newest = NameOf(at->first);
    ++count;
  }
  return Ok();
}

}  // namespace

Result<std::vector<ObjectSpec>> DecodeObjects(const v1::ApplyRequest& request) {
  if (request.objects_size() > kMaxBatch)
    return InvalidArgument(fmt::format("objects: {} of them; at most {}", request.objects_size(), kMaxBatch));
  std::vector<ObjectSpec> specs;
  std::set<std::pair<std::string, std::string>> seen;
  for (const v1::Object& object : request.objects()) {
    BULKHEAD_ASSIGN(ObjectSpec spec, DecodeObject(object));
    const auto key = KindAndName(spec);
    if (!seen.insert(key).second)
      return InvalidArgument(fmt::format("{} {}: given twice in one request", key.first, key.second));
    specs.push_back(std::move(spec));
  }
  return specs;
}

Status NodeApi::Apply(const std::vector<ObjectSpec>& objects, const ApplyOptions& options,
                      v1::ApplyResponse& response) {
  BULKHEAD_ASSIGN(const std::vector<ObjectResult> results, parts_.engine.Apply(objects, options));
  for (const ObjectResult& result : results) *response.add_results() = EncodeResult(result);
  return Ok();
}

Status NodeApi::Delete(const v1::DeleteRequest& request, v1::DeleteResponse& response) {
  if (request.kind() != "tenant" && request.kind() != "task" && request.kind() != "policy")
    return InvalidArgument(fmt::format("kind: \"{}\" is none of tenant, task, policy", request.kind()));
  BULKHEAD_ASSIGN(const std::vector<std::string> steps, parts_.engine.Delete(request.kind(), request.name()));
  for (const std::string& step : steps) response.add_steps(step);
  return Ok();
}

Status NodeApi::GetTenant(const v1::GetTenantRequest& request, v1::GetTenantResponse& response) {
  const auto& tenants = parts_.engine.desired().tenants;
  const auto found = tenants.find(TenantId{request.name()});
  if (found == tenants.end()) return NotFound(fmt::format("tenant {}: there is none", request.name()));
  FillTenant(found->second, response);
  return Ok();
}

Status NodeApi::ListTenants(const v1::ListTenantsRequest& request, v1::ListTenantsResponse& response) {
  return ListPage(
      parts_.engine.desired().tenants, request, response, [](const TenantId&) { return true; },
      [&](const TenantSpec& spec) { FillTenant(spec, *response.add_tenants()); });
}

Status NodeApi::GetTask(const v1::GetTaskRequest& request, v1::GetTaskResponse& response) {
  const TaskId id{request.tenant(), request.name()};
  const auto& tasks = parts_.engine.desired().tasks;
  const auto found = tasks.find(id);
  if (found == tasks.end()) return NotFound(fmt::format("task {}: there is none", id.ToString()));
  FillTask(found->second, response);
  return Ok();
}

Status NodeApi::ListTasks(const v1::ListTasksRequest& request, v1::ListTasksResponse& response) {
  return ListPage(
      parts_.engine.desired().tasks, request, response,
      [&](const TaskId& id) { return request.tenant().empty() || id.tenant == request.tenant(); },
      [&](const TaskSpec& spec) { FillTask(spec, *response.add_tasks()); });
}

Status NodeApi::GetPolicy(const v1::GetPolicyRequest& request, v1::GetPolicyResponse& response) {
  const PolicyId id{request.tenant(), request.name()};
  const auto& policies = parts_.engine.desired().policies;
  const auto found = policies.find(id);
  if (found == policies.end()) return NotFound(fmt::format("policy {}: there is none", id.ToString()));
  FillPolicy(found->second, response);
  return Ok();
}

Status NodeApi::ListPolicies(const v1::ListPoliciesRequest& request, v1::ListPoliciesResponse& response) {
  return ListPage(
      parts_.engine.desired().policies, request, response,
      [&](const PolicyId& id) { return request.tenant().empty() || id.tenant == request.tenant(); },
      [&](const PolicySpec& spec) { FillPolicy(spec, *response.add_policies()); });
}

Status NodeApi::AttachProcesses(const v1::AttachProcessesRequest& request, v1::AttachProcessesResponse& response) {
  if (request.pids_size() > kMaxBatch)
    return InvalidArgument(fmt::format("pids: {} of them; at most {}", request.pids_size(), kMaxBatch));
  for (const int pid : request.pids())
    if (pid <= 0) return InvalidArgument(fmt::format("pids: {} is no process id", pid));
  const TaskId task{request.tenant(), request.task()};
  BULKHEAD_ASSIGN(const std::vector<AttachOutcome> outcomes,
                  parts_.engine.Attach(task, {request.pids().begin(), request.pids().end()}));
  for (const AttachOutcome& outcome : outcomes) {
    v1::AttachResult& entry = *response.add_results();
    entry.set_pid(outcome.pid);
    if (!outcome.error.ok()) entry.set_error(Message(outcome.error));
    entry.set_sockets_outside(outcome.sockets_outside);
    entry.set_sockets_unknown(outcome.sockets_unknown);
  }
  return Ok();
}

void NodeApi::FillTenant(const TenantSpec& spec, v1::GetTenantResponse& response) {
  *response.mutable_tenant() = EncodeTenant(spec);
  *response.mutable_status() = EncodeState(parts_.engine.StateOf(spec.id));
  *response.mutable_usage() = UsageOf(spec.id);
}

void NodeApi::FillTask(const TaskSpec& spec, v1::GetTaskResponse& response) {
  *response.mutable_task() = EncodeTask(spec);
  *response.mutable_status() = EncodeState(parts_.engine.StateOf(spec.id));
  if (const UsageTotals* totals = parts_.sampler.Latest(spec.id)) {
    *response.mutable_usage() = EncodeUsage(*totals);
    *response.mutable_usage_time() = EncodeTime(parts_.clock.Wall() - (parts_.clock.Boot() - totals->counters.at));
  }
  for (const auto& [id, policy] : parts_.engine.desired().policies)
    if (Selects(policy, spec.id.tenant, spec.labels)) response.add_policies(id.ToString());
}

void NodeApi::FillPolicy(const PolicySpec& spec, v1::GetPolicyResponse& response) {
  *response.mutable_policy() = EncodePolicy(spec);
  for (const auto& [id, task] : parts_.engine.desired().tasks)
    if (Selects(spec, id.tenant, task.labels)) response.add_tasks(id.ToString());
}

}  // namespace bulkhead
