#include "agent/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>

#include <chrono>
#include <csignal>

namespace bulkhead {
namespace {

constexpr int kMaxMessage = 4 << 20;
constexpr int kMaxMetadata = 8 << 10;
constexpr int kMaxConcurrentCalls = 64;     // per connection
constexpr size_t kMaxMemory = 64U << 20;    // of one server's calls under way
constexpr int kMaxThreads = 16;             // of one server's synchronous services: reflection
constexpr int kMinPingIntervalMs = 10'000;  // more often is abuse

std::unique_ptr<grpc::Server> Build(grpc::Service& service, const std::string& name) {
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  builder.SetMaxReceiveMessageSize(kMaxMessage);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadata);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentCalls);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
  grpc::ResourceQuota quota(name);
  quota.Resize(kMaxMemory);
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  return builder.BuildAndStart();
}

void SetHealth(grpc::Server& server, bool serving) {
  auto* health = server.GetHealthCheckService();
  health->SetServingStatus(serving);
  health->SetServingStatus(v1::NodeService::service_full_name(), serving);
}

}  // namespace

Server::Server(EventLoop& loop, NodeApi& api)
    : loop_(loop),
      streams_(api.events()),
      reader_service_(Role::kRead, loop, api, streams_, counts_),
      admin_service_(Role::kChange, loop, api, streams_, counts_) {}

Result<std::unique_ptr<Server>> Server::Start(std::unique_ptr<Listener> listener, EventLoop& loop, NodeApi& api) {
  // Signals are the core loop's: gRPC's threads are born with all of them blocked.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &all, &before); error != 0) return Errno(error, "block signals");
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  std::unique_ptr<Server> server(new Server(loop, api));
  server->reader_ = Build(server->reader_service_, "readers");
  server->admin_ = Build(server->admin_service_, "admins");
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);  // puts back what was just read
  if (!server->reader_ || !server->admin_)
    return Internal("start the API server: gRPC refused the set-up (see its log)");
  server->SetServing(false);
  server->listener_ = std::move(listener);
  BULKHEAD_RETURN_IF_ERROR(server->listener_->Start([raw = server.get()](UniqueFd connection, Role role) {
    grpc::Server& target = role == Role::kChange ? *raw->admin_ : *raw->reader_;
    grpc::AddInsecureChannelFromFd(&target, connection.release());
  }));
  return server;
}

Server::~Server() {
  listener_.reset();
  loop_.Close();
  const auto now = std::chrono::system_clock::now();  // a deadline that has passed: calls under way are cancelled
  if (reader_) reader_->Shutdown(now);
  if (admin_) admin_->Shutdown(now);
}

void Server::SetServing(bool serving) {
  SetHealth(*reader_, serving);
  SetHealth(*admin_, serving);
}

}  // namespace bulkhead
