#include "controller/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "agent/base/file_io.h"
#include "agent/base/unique_fd.h"

namespace bulkhead {
namespace {

constexpr int kMaxMessage = 4 << 20;  // a batch of 1000 records with every scope and reason is about 1 MiB

bool SomebodyListens(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof(address.sun_path) - 1));
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

Result<std::shared_ptr<grpc::ServerCredentials>> Credentials(const TlsFiles& tls) {
  if (tls.ca.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  BULKHEAD_ASSIGN(options.pem_root_certs, ReadFile(tls.ca));
  BULKHEAD_ASSIGN(pair.cert_chain, ReadFile(tls.cert));
  BULKHEAD_ASSIGN(pair.private_key, ReadFile(tls.key));
  options.pem_key_cert_pairs.push_back(std::move(pair));
  return grpc::SslServerCredentials(options);
}

}  // namespace

Result<Endpoint> CheckAddress(const std::string& address, const TlsFiles& tls) {
  BULKHEAD_ASSIGN(Endpoint endpoint, ParseEndpoint(address));
  const int files = int{!tls.ca.empty()} + int{!tls.cert.empty()} + int{!tls.key.empty()};
  if (files != 0 && files != 3) return InvalidArgument("--tls-ca, --tls-cert and --tls-key are needed, all three");
  if (files == 0 && !endpoint.local)
    return InvalidArgument(fmt::format(
        "address \"{}\" leaves this host: give --tls-ca, --tls-cert and --tls-key, or use a unix socket", address));
  return endpoint;
}

Result<std::shared_ptr<grpc::Channel>> DialController(const std::string& address, const TlsFiles& tls) {
  BULKHEAD_ASSIGN(const Endpoint endpoint, CheckAddress(address, tls));
  if (tls.ca.empty()) return grpc::CreateChannel(endpoint.target, grpc::InsecureChannelCredentials());
  grpc::SslCredentialsOptions options;
  BULKHEAD_ASSIGN(options.pem_root_certs, ReadFile(tls.ca));
  BULKHEAD_ASSIGN(options.pem_cert_chain, ReadFile(tls.cert));
  BULKHEAD_ASSIGN(options.pem_private_key, ReadFile(tls.key));
  return grpc::CreateChannel(endpoint.target, grpc::SslCredentials(options));
}

Result<std::unique_ptr<ControllerServer>> ControllerServer::Start(const std::string& address, const TlsFiles& tls,
                                                                  std::unique_ptr<Store> store) {
  BULKHEAD_ASSIGN(const Endpoint endpoint, CheckAddress(address, tls));
  BULKHEAD_ASSIGN(const std::shared_ptr<grpc::ServerCredentials> credentials, Credentials(tls));
  const std::string path = endpoint.unix_socket ? endpoint.target.substr(std::strlen("unix:")) : "";
  if (!path.empty() && SomebodyListens(path))
    return FailedPrecondition(fmt::format("listen on {}: another process listens there", address));

  std::unique_ptr<ControllerServer> server(new ControllerServer(std::move(store)));
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessage);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a port in use is an error
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 16);
  // Agents that died without a word are noticed, and theirs may ask every 10 s whether we live.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddListeningPort(endpoint.target, credentials, &server->port_);
  builder.RegisterService(&server->report_);
  builder.RegisterService(&server->fleet_);
  const mode_t mask = ::umask(0177);
  server->server_ = builder.BuildAndStart();
  ::umask(mask);
  if (!server->server_ || (path.empty() && server->port_ <= 0))
    return FailedPrecondition(fmt::format(
        "listen on {}: could not bind: is the address in use, the directory there, the certificate good?", address));
  if (!path.empty()) server->port_ = 0;
  return server;
}

ControllerServer::~ControllerServer() {
  if (server_) server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
}

}  // namespace bulkhead
