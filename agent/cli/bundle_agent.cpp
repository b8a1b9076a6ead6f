// What the agent says, for a bundle.
#include <fmt/format.h>

#include "agent/cli/bundle_collect.h"
#include "agent/cli/output.h"
#include "agent/cli/redact.h"

namespace bulkhead::cli {
namespace {

using Stub = v1::NodeService::Stub;
using Time = Collector::Time;

template <typename Message>
std::string Json(Message message, bool pretty) {
  RedactFields(message);
  return ToJson(message, pretty);
}

// A message a line, until a bundle's file is full or the time is over.
class Lines {
 public:
  explicit Lines(Time deadline) : deadline_(deadline) {}
  // False: no more.
  template <typename Message>
  bool Add(const Message& message) {
    if (!done_.more.empty()) return false;
    const std::string line = Json(message, false) + "\n";
    if (done_.text.size() + line.size() > kBundleFileBytes)
      done_.more = fmt::format("what would be longer than {} MiB", kBundleFileBytes >> 20U);
    else if (std::chrono::steady_clock::now() >= deadline_)
      done_.more = "time was over";
    else
      done_.text += line;
    return done_.more.empty();
  }
  Collected Take() && { return std::move(done_); }

 private:
  Time deadline_;
  Collected done_;
};

// The pages of a list, as long as `add` wants more.
template <typename Request, typename Response, typename Add>
Status Pages(Client& client, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), Add add) {
  Request request;
  while (true) {
    Response page;
    BULKHEAD_RETURN_IF_ERROR(client.Call(method, request, page));
    if (!add(page) || page.next_page_token().empty()) return Ok();
    request.set_page_token(page.next_page_token());
  }
}

template <typename Range>
bool AddAll(Lines& lines, const Range& messages) {
  for (const auto& message : messages)
    if (!lines.Add(message)) return false;
  return true;
}

Status Tenants(Client& client, Lines& lines) {
  return Pages(client, &Stub::ListTenants,
               [&](const v1::ListTenantsResponse& page) { return AddAll(lines, page.tenants()); });
}

Status Tasks(Client& client, Lines& lines) {
  return Pages(client, &Stub::ListTasks,
               [&](const v1::ListTasksResponse& page) { return AddAll(lines, page.tasks()); });
}

Status Policies(Client& client, Lines& lines) {
  return Pages(client, &Stub::ListPolicies,
               [&](const v1::ListPoliciesResponse& page) { return AddAll(lines, page.policies()); });
}

Status Usage(Client& client, Lines& lines) {
  v1::GetUsageResponse usage;
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetUsage, v1::GetUsageRequest(), usage));
  (void)AddAll(lines, usage.tasks());  // Lines says what it left out
  return Ok();
}

// All that are kept: Bundle cuts the oldest.
Result<Collected> Events(Client& client, std::chrono::seconds timeout) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  const auto stream = client.stub().WatchEvents(&context, v1::WatchEventsRequest());
  Collected events;
  v1::WatchEventsResponse response;
  while (stream->Read(&response)) events.text += Json(response.event(), false) + "\n";
  if (const Status ended = FromGrpc(stream->Finish()); !ended.ok()) {
    if (events.text.empty()) return ended;
    events.more = Message(ended);
  }
  return events;
}

// What an Apply of all that is desired would do: the difference between that and the kernel. Changes nothing.
Status Plan(Client& client, Lines& lines) {
  v1::ApplyRequest request;
  request.set_validate_only(true);
  const auto few = [&] { return request.objects_size() <= static_cast<int>(kBundlePlanned); };
  BULKHEAD_RETURN_IF_ERROR(Pages(client, &Stub::ListTenants, [&](const v1::ListTenantsResponse& page) {
    for (const auto& one : page.tenants()) *request.add_objects()->mutable_tenant() = one.tenant();
    return few();
  }));
  BULKHEAD_RETURN_IF_ERROR(Pages(client, &Stub::ListTasks, [&](const v1::ListTasksResponse& page) {
    for (const auto& one : page.tasks()) *request.add_objects()->mutable_task() = one.task();
    return few();
  }));
  BULKHEAD_RETURN_IF_ERROR(Pages(client, &Stub::ListPolicies, [&](const v1::ListPoliciesResponse& page) {
    for (const auto& one : page.policies()) *request.add_objects()->mutable_network_policy() = one.policy();
    return few();
  }));
  if (!few())
    return FailedPrecondition(
        fmt::format("there are more than {} objects, and the agent does nothing else while it plans", kBundlePlanned));
  v1::ApplyResponse response;
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::Apply, request, response));
  (void)AddAll(lines, response.results());  // Lines says what it left out
  return Ok();
}

Result<Collected> OfStatus(Client& client) {
  v1::GetNodeResponse node;
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetNode, v1::GetNodeRequest(), node));
  return Collected{Json(node, true), ""};
}

}  // namespace

Result<Collected> AskAgent(Client& client, AgentQuestion question, Time deadline) {
  Lines lines(deadline);
  Status asked;
  switch (question) {
    case AgentQuestion::kStatus:
      return OfStatus(client);
    case AgentQuestion::kEvents:
      return Events(client, kBundleStep);
    case AgentQuestion::kTenants:
      asked = Tenants(client, lines);
      break;
    case AgentQuestion::kTasks:
      asked = Tasks(client, lines);
      break;
    case AgentQuestion::kPolicies:
      asked = Policies(client, lines);
      break;
    case AgentQuestion::kUsage:
      asked = Usage(client, lines);
      break;
    case AgentQuestion::kPlan:
      asked = Plan(client, lines);
      break;
  }
  BULKHEAD_RETURN_IF_ERROR(asked);
  return std::move(lines).Take();
}

}  // namespace bulkhead::cli
