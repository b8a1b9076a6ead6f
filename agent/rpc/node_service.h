// NodeService on gRPC: authorise, decode, hand over to the core thread, reply.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <vector>

#include "agent/base/event_loop.h"
#include "agent/rpc/call_counts.h"
#include "agent/rpc/event_stream.h"
#include "agent/rpc/node_api.h"
#include "agent/rpc/peer.h"
#include "bulkhead/v1/node_service.grpc.pb.h"

namespace bulkhead {

// The calls that wait for events. Core thread only.
class EventStreams {
 public:
  explicit EventStreams(EventLog& log);
  ~EventStreams();
  EventStreams(const EventStreams&) = delete;
  EventStreams& operator=(const EventStreams&) = delete;

  void Add(const std::shared_ptr<EventStream>& stream);  // starts it, or ends it when there are too many

 private:
  void Prune();
  EventLog& log_;
  int subscription_;
  std::vector<std::weak_ptr<EventStream>> streams_;
};

// One per role: what a caller may do is a property of the server that its connection was given to, never of a name that
// could be mixed up. gRPC's threads call it; it keeps no state.
class NodeService final : public v1::NodeService::CallbackService {
 public:
  NodeService(Role role, EventLoop& loop, NodeApi& api, EventStreams& streams, CallCounts& counts)
      : role_(role), loop_(loop), api_(api), streams_(streams), counts_(counts) {}

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;
  Reactor* GetNode(Context*, const v1::GetNodeRequest*, v1::GetNodeResponse*) override;
  Reactor* Diagnose(Context*, const v1::DiagnoseRequest*, v1::DiagnoseResponse*) override;
  Reactor* Apply(Context*, const v1::ApplyRequest*, v1::ApplyResponse*) override;
  Reactor* Delete(Context*, const v1::DeleteRequest*, v1::DeleteResponse*) override;
  Reactor* GetTenant(Context*, const v1::GetTenantRequest*, v1::GetTenantResponse*) override;
  Reactor* ListTenants(Context*, const v1::ListTenantsRequest*, v1::ListTenantsResponse*) override;
  Reactor* GetTask(Context*, const v1::GetTaskRequest*, v1::GetTaskResponse*) override;
  Reactor* ListTasks(Context*, const v1::ListTasksRequest*, v1::ListTasksResponse*) override;
  Reactor* GetPolicy(Context*, const v1::GetPolicyRequest*, v1::GetPolicyResponse*) override;
  Reactor* ListPolicies(Context*, const v1::ListPoliciesRequest*, v1::ListPoliciesResponse*) override;
  Reactor* AttachProcesses(Context*, const v1::AttachProcessesRequest*, v1::AttachProcessesResponse*) override;
  Reactor* GetUsage(Context*, const v1::GetUsageRequest*, v1::GetUsageResponse*) override;
  Reactor* Reload(Context*, const v1::ReloadRequest*, v1::ReloadResponse*) override;
  Reactor* SetLogLevel(Context*, const v1::SetLogLevelRequest*, v1::SetLogLevelResponse*) override;
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(Context*, const v1::WatchEventsRequest*) override;

 private:
  using Work = std::function<Status()>;
  Reactor* Run(Context* context, const char* method, Work work);
  Reactor* Answer(Context* context, const char* method, const Status& status);
  Reactor* Deny(Context* context, const char* method);

  const Role role_;
  EventLoop& loop_;
  NodeApi& api_;
  EventStreams& streams_;
  CallCounts& counts_;
};

}  // namespace bulkhead
