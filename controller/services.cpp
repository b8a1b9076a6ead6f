#include "controller/services.h"

#include "agent/base/log.h"

namespace bulkhead {
namespace {

// One agent's stream: a message, its answer, the next message. One operation is under way at a time, so no lock.
class ReportReactor final : public grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse> {
 public:
  explicit ReportReactor(SharedStore& store) : store_(store) { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);  // the agent is gone, or we stop
    const Result<uint64_t> committed = Handle();
    if (!committed.ok()) {
      log::Warning("report refused", {{"node", hello_.node_id()}, {"error", committed.status()}});
      return Finish(ToGrpcStatus(committed.status()));
    }
    response_.set_committed_sequence(*committed);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }  // as gRPC wants it: nobody else knows when

 private:
  Result<uint64_t> Handle() {
    if (greeted_ != request_.has_batch() || greeted_ == request_.has_hello())
      return InvalidArgument("a report begins with one hello, then come batches");
    if (greeted_)
      return store_.With([&](std::unique_ptr<Store>& store) { return store->Ingest(hello_, request_.batch()); });
    greeted_ = true;
    BULKHEAD_ASSIGN(const uint64_t committed,
                    store_.With([&](std::unique_ptr<Store>& store) { return store->Hello(request_.hello()); }));
    hello_ = request_.hello();
    log::Info("node reports", {{"node", hello_.node_id()}, {"ledger", hello_.ledger_id()}, {"committed", committed}});
    return committed;
  }

  SharedStore& store_;
  bool greeted_ = false;
  v1::ReportHello hello_;
  v1::ReportRequest request_;
  v1::ReportResponse response_;
};

grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

Status List(Store& store, const v1::ListNodesRequest& request, v1::ListNodesResponse& response) {
  if (request.page_size() < 0) return InvalidArgument("page_size: is negative");
  const int size = request.page_size() == 0 ? FleetApi::kMaxPage : std::min(request.page_size(), FleetApi::kMaxPage);
  BULKHEAD_ASSIGN(std::vector<v1::Node> nodes, store.Nodes(request.page_token(), size + 1));
  if (nodes.size() > static_cast<size_t>(size)) {
    nodes.pop_back();
    response.set_next_page_token(nodes.back().id());
  }
  for (v1::Node& node : nodes) *response.add_nodes() = std::move(node);
  return Ok();
}

}  // namespace

grpc::Status ToGrpcStatus(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), Message(status));  // the same numbers
}

grpc::ServerBidiReactor<v1::ReportRequest, v1::ReportResponse>* ReportService::Report(grpc::CallbackServerContext*) {
  return new ReportReactor(store_);  // deletes itself when the stream is done
}

grpc::ServerUnaryReactor* FleetApi::ListNodes(grpc::CallbackServerContext* context, const v1::ListNodesRequest* request,
                                              v1::ListNodesResponse* response) {
  return Reply(context, store_.With([&](std::unique_ptr<Store>& store) { return List(*store, *request, *response); }));
}

grpc::ServerUnaryReactor* FleetApi::GetTenantUsage(grpc::CallbackServerContext* context,
                                                   const v1::GetTenantUsageRequest* request,
                                                   v1::GetTenantUsageResponse* response) {
  return Reply(context, store_.With([&](std::unique_ptr<Store>& store) -> Status {
    BULKHEAD_ASSIGN(std::vector<v1::TenantUsage> tenants, store->Usage(request->tenant()));
    for (v1::TenantUsage& tenant : tenants) *response->add_tenants() = std::move(tenant);
    return Ok();
  }));
}

}  // namespace bulkhead
