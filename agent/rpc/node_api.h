// What NodeService answers, without gRPC: one function per call, proto in, proto out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/status.h"
#include "agent/engine/engine.h"
#include "agent/engine/event_log.h"
#include "agent/model/diagnosis.h"
#include "agent/rpc/report_state.h"
#include "agent/usage/ledger.h"
#include "agent/usage/sampler.h"
#include "bulkhead/v1/node_service.pb.h"

namespace bulkhead {

// Never changes while the agent runs.
struct NodeFacts {
  std::string node_id;
  std::string boot_id;
  std::string cgroup_root;
  std::string cgroup_mode;  // "unified" or "hybrid"
  std::string config_file;  // absolute; empty: none
  std::vector<Feature> features;
  Baseline baseline = Baseline::kIsolate;
  WallTime started{};
};

// The last time that the agent's files were read.
struct LoadState {
  WallTime time{};
  Status error;  // ok: all that is in the files is in force
  std::optional<WallTime> success;
};

// What a reload brought into force.
struct ReloadReport {
  std::vector<std::string> changed_fields;  // of the configuration
  std::vector<ObjectResult> objects;        // of the manifests
};
using ReloadDone = std::function<void(const Result<ReloadReport>&)>;

// Core thread only.
class NodeApi {
 public:
  struct Parts {
    Engine& engine;
    EventLog& events;
    Ledger& ledger;
    const Sampler& sampler;
    const Clock& clock;
    // The kernel's counters of a tenant's cgroup, without the network's.
    std::function<Result<UsageReading>(const TenantId&)> read_tenant;
    std::function<std::vector<MapUse>()> map_use;
    std::function<ReportState()> controller;
    std::function<bool()> ready;
    std::function<LoadState()> load;
    // Begins a reload. The answer comes on the core thread, an error on any; an agent that stops destroys the closure.
    std::function<void(ReloadDone)> reload;
    // The host as it is now; what the other parts know is added to it.
    std::function<DiagnosisFacts()> look_over;
  };

  NodeApi(Parts parts, NodeFacts facts) : parts_(std::move(parts)), facts_(std::move(facts)) {}

  Status GetNode(const v1::GetNodeRequest& request, v1::GetNodeResponse& response);
  Status Diagnose(const v1::DiagnoseRequest& request, v1::DiagnoseResponse& response) const;
  // `objects` are the request's, decoded.
  Status Apply(const std::vector<ObjectSpec>& objects, const ApplyOptions& options, v1::ApplyResponse& response);
  Status Delete(const v1::DeleteRequest& request, v1::DeleteResponse& response);
  Status GetTenant(const v1::GetTenantRequest& request, v1::GetTenantResponse& response);
  Status ListTenants(const v1::ListTenantsRequest& request, v1::ListTenantsResponse& response);
  Status GetTask(const v1::GetTaskRequest& request, v1::GetTaskResponse& response);
  Status ListTasks(const v1::ListTasksRequest& request, v1::ListTasksResponse& response);
  Status GetPolicy(const v1::GetPolicyRequest& request, v1::GetPolicyResponse& response);
  Status ListPolicies(const v1::ListPoliciesRequest& request, v1::ListPoliciesResponse& response);
  Status AttachProcesses(const v1::AttachProcessesRequest& request, v1::AttachProcessesResponse& response);
  Status GetUsage(const v1::GetUsageRequest& request, v1::GetUsageResponse& response);

  using Done = std::function<void(const Status&)>;
  void Reload(v1::ReloadResponse& response, Done done);  // the response is filled in when `done` is called
  Status SetLogLevel(const v1::SetLogLevelRequest& request, v1::SetLogLevelResponse& response);

  EventLog& events() { return parts_.events; }

 private:
  void FillTenant(const TenantSpec& spec, v1::GetTenantResponse& response);
  void FillTask(const TaskSpec& spec, v1::GetTaskResponse& response);
  void FillPolicy(const PolicySpec& spec, v1::GetPolicyResponse& response);
  v1::Usage UsageOf(const TenantId& tenant);
  void FillLeftOver(google::protobuf::RepeatedPtrField<std::string>& names) const;

  Parts parts_;
  NodeFacts facts_;
};

inline constexpr int kMaxPage = 1000;
inline constexpr int kMaxBatch = 10'000;      // objects of one Apply, processes of one AttachProcesses
inline constexpr size_t kMaxUsage = 100'000;  // tasks of one GetUsage

// The specs of a request, or why not: too many, a field out of range, or the same object twice. Any thread.
Result<std::vector<ObjectSpec>> DecodeObjects(const v1::ApplyRequest& request);

}  // namespace bulkhead
