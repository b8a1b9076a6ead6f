#include "agent/rpc/node_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "agent/rpc/grpc_status.h"

namespace bulkhead {
namespace {

constexpr size_t kMaxStreams = 64;

// One call under way. Finishes it exactly once: with the work's result, or, if the core thread ended before it got to
// it, as unavailable.
class Call {
 public:
  Call(grpc::CallbackServerContext* context, const char* method, CallCounts& counts)
      : context_(context), reactor_(context->DefaultReactor()), method_(method), counts_(counts) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() { Finish(Unavailable("the agent is stopping")); }

  void Finish(const Status& status) {
    auto* reactor = std::exchange(reactor_, nullptr);
    if (reactor == nullptr) return;
    const grpc::Status answer = ToGrpc(status);
    counts_.Add(method_, answer.error_code());
    reactor->Finish(answer);
  }
  grpc::ServerUnaryReactor* reactor() const { return reactor_; }
  // Nobody waits for the answer any more. The work has not begun, so nothing is half done.
  Status Abandoned() const {
    if (context_->deadline() <= std::chrono::system_clock::now())
      return MakeStatus(StatusCode::kDeadlineExceeded, "the deadline passed before the work began: nothing was done");
    if (context_->IsCancelled()) return MakeStatus(StatusCode::kCancelled, "cancelled before the work began");
    return Ok();
  }

 private:
  grpc::CallbackServerContext* context_;
  grpc::ServerUnaryReactor* reactor_;
  const char* method_;
  CallCounts& counts_;
};

}  // namespace

EventStreams::EventStreams(EventLog& log) : log_(log) {
  subscription_ = log_.Subscribe([this](const Event&) {
    for (const auto& weak : streams_)
      if (const auto stream = weak.lock()) stream->Pump();
  });
}

EventStreams::~EventStreams() { log_.Unsubscribe(subscription_); }

void EventStreams::Prune() {
  std::erase_if(streams_, [](const auto& stream) { return stream.expired(); });
}

void EventStreams::Add(const std::shared_ptr<EventStream>& stream) {
  Prune();
  if (streams_.size() >= kMaxStreams)
    return stream->End(
        ToGrpc(ResourceExhausted(fmt::format("{} event streams are open already: close one", streams_.size()))));
  streams_.push_back(stream);
  stream->Start();
}

// The request and response live until the call is finished, which only Call does; its reactor may be gone by then.
NodeService::Reactor* NodeService::Run(Context* context, const char* method, Work work) {
  auto call = std::make_shared<Call>(context, method, counts_);
  Reactor* reactor = call->reactor();
  const Status posted = loop_.Post([call, work = std::move(work)] {
    if (const Status abandoned = call->Abandoned(); !abandoned.ok()) return call->Finish(abandoned);
    call->Finish(work());
  });
  if (!posted.ok()) call->Finish(posted);
  return reactor;
}

NodeService::Reactor* NodeService::Answer(Context* context, const char* method, const Status& status) {
  Call call(context, method, counts_);
  Reactor* reactor = call.reactor();
  call.Finish(status);
  return reactor;
}

NodeService::Reactor* NodeService::Deny(Context* context, const char* method) {
  return Answer(context, method,
                PermissionDenied(fmt::format(
                    "{} changes things and the caller may only read: use sudo, or join the admin group", method)));
}

NodeService::Reactor* NodeService::GetNode(Context* context, const v1::GetNodeRequest* request,
                                           v1::GetNodeResponse* response) {
  return Run(context, "GetNode", [=, this] { return api_.GetNode(*request, *response); });
}

NodeService::Reactor* NodeService::Diagnose(Context* context, const v1::DiagnoseRequest* request,
                                            v1::DiagnoseResponse* response) {
  return Run(context, "Diagnose", [=, this] { return api_.Diagnose(*request, *response); });
}

NodeService::Reactor* NodeService::Apply(Context* context, const v1::ApplyRequest* request,
                                         v1::ApplyResponse* response) {
  if (role_ != Role::kChange) return Deny(context, "Apply");
  auto objects = DecodeObjects(*request);  // here, not on the core thread: a large set takes a while
  if (!objects.ok()) return Answer(context, "Apply", objects.status());
  return Run(context, "Apply", [=, this, objects = *std::move(objects)] {
    return api_.Apply(objects, {.validate_only = request->validate_only(), .prune = request->prune()}, *response);
  });
}

NodeService::Reactor* NodeService::Delete(Context* context, const v1::DeleteRequest* request,
                                          v1::DeleteResponse* response) {
  if (role_ != Role::kChange) return Deny(context, "Delete");
  return Run(context, "Delete", [=, this] { return api_.Delete(*request, *response); });
}

NodeService::Reactor* NodeService::GetTenant(Context* context, const v1::GetTenantRequest* request,
                                             v1::GetTenantResponse* response) {
  return Run(context, "GetTenant", [=, this] { return api_.GetTenant(*request, *response); });
}

NodeService::Reactor* NodeService::ListTenants(Context* context, const v1::ListTenantsRequest* request,
                                               v1::ListTenantsResponse* response) {
  return Run(context, "ListTenants", [=, this] { return api_.ListTenants(*request, *response); });
}

NodeService::Reactor* NodeService::GetTask(Context* context, const v1::GetTaskRequest* request,
                                           v1::GetTaskResponse* response) {
  return Run(context, "GetTask", [=, this] { return api_.GetTask(*request, *response); });
}

NodeService::Reactor* NodeService::ListTasks(Context* context, const v1::ListTasksRequest* request,
                                             v1::ListTasksResponse* response) {
  return Run(context, "ListTasks", [=, this] { return api_.ListTasks(*request, *response); });
}

NodeService::Reactor* NodeService::GetPolicy(Context* context, const v1::GetPolicyRequest* request,
                                             v1::GetPolicyResponse* response) {
  return Run(context, "GetPolicy", [=, this] { return api_.GetPolicy(*request, *response); });
}

NodeService::Reactor* NodeService::ListPolicies(Context* context, const v1::ListPoliciesRequest* request,
                                                v1::ListPoliciesResponse* response) {
  return Run(context, "ListPolicies", [=, this] { return api_.ListPolicies(*request, *response); });
}

NodeService::Reactor* NodeService::AttachProcesses(Context* context, const v1::AttachProcessesRequest* request,
                                                   v1::AttachProcessesResponse* response) {
  if (role_ != Role::kChange) return Deny(context, "AttachProcesses");
  return Run(context, "AttachProcesses", [=, this] { return api_.AttachProcesses(*request, *response); });
}

NodeService::Reactor* NodeService::GetUsage(Context* context, const v1::GetUsageRequest* request,
                                            v1::GetUsageResponse* response) {
  return Run(context, "GetUsage", [=, this] { return api_.GetUsage(*request, *response); });
}

// Not by Run: the core thread only begins it.
NodeService::Reactor* NodeService::Reload(Context* context, const v1::ReloadRequest*, v1::ReloadResponse* response) {
  if (role_ != Role::kChange) return Deny(context, "Reload");
  auto call = std::make_shared<Call>(context, "Reload", counts_);
  Reactor* reactor = call->reactor();
  const Status posted = loop_.Post([=, this] {
    if (const Status abandoned = call->Abandoned(); !abandoned.ok()) return call->Finish(abandoned);
    api_.Reload(*response, [call](const Status& status) { call->Finish(status); });
  });
  if (!posted.ok()) call->Finish(posted);
  return reactor;
}

NodeService::Reactor* NodeService::SetLogLevel(Context* context, const v1::SetLogLevelRequest* request,
                                               v1::SetLogLevelResponse* response) {
  if (role_ != Role::kChange) return Deny(context, "SetLogLevel");
  return Run(context, "SetLogLevel", [=, this] { return api_.SetLogLevel(*request, *response); });
}

grpc::ServerWriteReactor<v1::WatchEventsResponse>* NodeService::WatchEvents(Context*,
                                                                            const v1::WatchEventsRequest* request) {
  const auto stream = EventStream::Create(loop_, api_.events(), *request, counts_);
  const Status posted = loop_.Post([this, stream] { streams_.Add(stream); });
  if (!posted.ok()) stream->End(ToGrpc(posted));
  return stream.get();
}

}  // namespace bulkhead
