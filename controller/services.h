// The controller's gRPC services over the store.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/support/status.h>

#include "agent/base/mailbox.h"
#include "agent/base/status.h"
#include "bulkhead/v1/controller_service.grpc.pb.h"
#include "bulkhead/v1/fleet_service.grpc.pb.h"
#include "controller/store.h"

namespace bulkhead {

using SharedStore = Guarded<std::unique_ptr<Store>>;

grpc::Status ToGrpcStatus(const Status& status);

// The store must outlive the server. Work is done on gRPC's threads, one transaction at a time.
class ReportService final : public v1::ControllerService::CallbackService {
 public:
  explicit ReportService(SharedStore& store) : store_(store) {}
  grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse>* Report(grpc::CallbackServerContext* context) override;

 private:
  SharedStore& store_;
};

class FleetApi final : public v1::FleetService::CallbackService {
 public:
  static constexpr int kMaxPage = 1000;

  explicit FleetApi(SharedStore& store) : store_(store) {}
  grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context, const v1::ListNodesRequest* request,
                                      v1::ListNodesResponse* response) override;
  grpc::ServerUnaryReactor* GetTenantUsage(grpc::CallbackServerContext* context,
                                           const v1::GetTenantUsageRequest* request,
                                           v1::GetTenantUsageResponse* response) override;

 private:
  SharedStore& store_;
};

}  // namespace bulkhead
