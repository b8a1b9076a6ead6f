#include "agent/metrics/http_server.h"

#include <microhttpd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>

#include "agent/metrics/exposition.h"

namespace bulkhead {
namespace {

constexpr unsigned kConnections = 16;
constexpr unsigned kIdleSeconds = 10;
constexpr size_t kBlock = 64U << 10;
constexpr std::chrono::seconds kPatience{5};  // with the core thread
constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

// What is left to send of one scrape.
struct Transfer {
  explicit Transfer(std::shared_ptr<const MetricsSnapshot> snapshot) : exposition(std::move(snapshot)) {}
  Exposition exposition;
  std::string text;
  size_t sent = 0;
};

ssize_t Read(void* cls, uint64_t, char* buffer, size_t room) {
  auto* transfer = static_cast<Transfer*>(cls);
  if (transfer->sent == transfer->text.size()) {
    transfer->text = transfer->exposition.Next();
    transfer->sent = 0;
    if (transfer->text.empty()) return MHD_CONTENT_READER_END_OF_STREAM;
  }
  const size_t size = std::min(room, transfer->text.size() - transfer->sent);
  std::copy_n(transfer->text.data() + transfer->sent, size, buffer);
  transfer->sent += size;
  return static_cast<ssize_t>(size);
}

void Free(void* cls) { delete static_cast<Transfer*>(cls); }  // owned by the response until it is done

MHD_Result OnRequest(void* cls, MHD_Connection* connection, const char* path, const char* method, const char*,
                     const char*, size_t*, void**) {
  return static_cast<MetricsServer*>(cls)->Answer(connection, path, method) == MHD_YES ? MHD_YES : MHD_NO;
}

MHD_Result OnPeer(void* cls, const sockaddr* peer, socklen_t size) {
  return static_cast<MetricsServer*>(cls)->Admit(peer, size) ? MHD_YES : MHD_NO;
}

int Say(MHD_Connection* connection, unsigned code, std::string text) {
  MHD_Response* response = MHD_create_response_from_buffer(text.size(), text.data(), MHD_RESPMEM_MUST_COPY);
  const MHD_Result queued = MHD_queue_response(connection, code, response);
  MHD_destroy_response(response);
  return queued;
}

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::Start(Options options) {
  std::unique_ptr<MetricsServer> server(new MetricsServer(std::move(options)));
  const bool listens = server->options_.listener.valid();
  const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ITC |
                         (listens ? MHD_NO_FLAG : MHD_USE_NO_LISTEN_SOCKET);
  sigset_t all;  // signals are the core loop's
  sigset_t before;
  sigfillset(&all);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &all, &before); error != 0) return Errno(error, "block signals");
  server->daemon_ = MHD_start_daemon(flags, 0, &OnPeer, server.get(), &OnRequest, server.get(),
                                     MHD_OPTION_CONNECTION_LIMIT, kConnections, MHD_OPTION_CONNECTION_TIMEOUT,
                                     kIdleSeconds, listens ? MHD_OPTION_LISTEN_SOCKET : MHD_OPTION_END,
                                     server->options_.listener.get(), MHD_OPTION_END);
  const int error = errno;
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);  // puts back what was just read
  if (server->daemon_ == nullptr) return Errno(error, "start the server of metrics");
  (void)server->options_.listener.release();  // the library closes it
  return server;
}

MetricsServer::~MetricsServer() {
  if (daemon_ == nullptr) return;
  stopping_ = true;
  waiting_.With([](const std::shared_ptr<Reply>& reply) {
    if (reply) reply->Push(nullptr);  // the core thread may be the one that is here
  });
  MHD_stop_daemon(daemon_);
}

void MetricsServer::Add(UniqueFd connection) {
  sockaddr_storage peer{};
  peer.ss_family = AF_UNIX;
  // The library owns the descriptor from here on, also when it takes no more connections.
  (void)MHD_add_connection(daemon_, connection.release(), reinterpret_cast<const sockaddr*>(&peer),
                           sizeof(sa_family_t));
}

// What the core thread has to say; nullptr when it does not come to it.
std::shared_ptr<const MetricsSnapshot> MetricsServer::Ask() {
  auto reply = std::make_shared<Reply>();
  waiting_.With([&](std::shared_ptr<Reply>& waiting) { waiting = reply; });
  if (stopping_) return nullptr;
  const Status posted = options_.core.Post(
      [reply, collect = options_.collect] { reply->Push(std::make_shared<const MetricsSnapshot>(collect())); });
  if (!posted.ok()) return nullptr;
  return reply->Pop(std::chrono::steady_clock::now() + kPatience).value_or(nullptr);
}

int MetricsServer::Answer(MHD_Connection* connection, const char* path, const char* method) {
  if (std::strcmp(path, "/metrics") != 0) return Say(connection, MHD_HTTP_NOT_FOUND, "There is /metrics only.\n");
  if (std::strcmp(method, MHD_HTTP_METHOD_GET) != 0 && std::strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
    return Say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD.\n");
  auto snapshot = Ask();
  if (!snapshot) return Say(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "The agent is busy or stops: try again.\n");
  MHD_Response* response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlock, &Read, new Transfer(std::move(snapshot)), &Free);
  (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, kContentType);  // fails for want of memory only
  const MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  return queued;
}

}  // namespace bulkhead
