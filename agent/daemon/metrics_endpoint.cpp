#include "agent/daemon/metrics_endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/base/log.h"

namespace bulkhead {
namespace {

constexpr size_t kConnections = 16;
constexpr int kBacklog = 16;

struct TcpAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// "127.0.0.1:9105" or "[::1]:9105".
Result<TcpAddress> ParseTcp(const std::string& text) {
  TcpAddress address;
  const size_t colon = text.rfind(':');
  BULKHEAD_ASSIGN(const uint64_t port, ParseUnsigned(text.substr(colon + 1)));
  const bool v6 = text.front() == '[';
  const std::string host = v6 ? text.substr(1, colon - 2) : text.substr(0, colon);
  auto* v4_address = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6_address = reinterpret_cast<sockaddr_in6*>(&address.storage);
  const int parsed = v6 ? ::inet_pton(AF_INET6, host.c_str(), &v6_address->sin6_addr)
                        : ::inet_pton(AF_INET, host.c_str(), &v4_address->sin_addr);
  if (parsed != 1) return InvalidArgument(fmt::format("{} is no address", text));
  address.storage.ss_family = v6 ? AF_INET6 : AF_INET;
  address.size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  (v6 ? v6_address->sin6_port : v4_address->sin_port) = htons(static_cast<uint16_t>(port));
  return address;
}

Result<UniqueFd> ListenTcp(const TcpAddress& address) {
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Errno(errno, "make a socket");
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) return Errno(errno, "set up the socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0)
    return Errno(errno, "bind");
  if (::listen(fd.get(), kBacklog) != 0) return Errno(errno, "listen");
  return fd;
}

}  // namespace

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Open(const std::string& listen, const AccessRules& rules,
                                                               const Parts& parts) {
  std::unique_ptr<MetricsEndpoint> endpoint(new MetricsEndpoint);
  if (listen.empty()) return endpoint;
  MetricsServer::Options options{.core = parts.core, .collect = parts.collect};
  if (listen.starts_with("unix://")) {
    auto listener = Listener::Create({.path = listen.substr(7),
                                      .rules = rules,
                                      .max_connections = kConnections,
                                      .max_connections_per_user = kConnections});
    if (!listener.ok()) return Annotate(listener.status(), "metrics.listen " + listen);
    endpoint->listener_ = *std::move(listener);
    BULKHEAD_ASSIGN(endpoint->server_, MetricsServer::Start(std::move(options)));
    BULKHEAD_RETURN_IF_ERROR(endpoint->listener_->Start(
        [server = endpoint->server_.get()](UniqueFd connection, Role) { server->Add(std::move(connection)); }));
    return endpoint;
  }
  BULKHEAD_ASSIGN(const TcpAddress own, ParseTcp(listen));
  auto fd = ListenTcp(own);
  if (!fd.ok()) return Annotate(fd.status(), "metrics.listen " + listen);
  options.listener = *std::move(fd);
  options.admit = [own, check = parts.check_peer, next_log = std::chrono::steady_clock::time_point()](
                      const sockaddr* peer, socklen_t size) mutable {
    sockaddr_storage from{};
    std::memcpy(&from, peer, std::min(static_cast<size_t>(size), sizeof(from)));
    const Status checked = check(from, own.storage);
    if (checked.ok()) return true;
    if (const auto now = std::chrono::steady_clock::now(); now >= next_log) {
      log::Warning("scrape refused", {{"why", checked}});
      next_log = now + std::chrono::seconds(1);
    }
    return false;
  };
  BULKHEAD_ASSIGN(endpoint->server_, MetricsServer::Start(std::move(options)));
  return endpoint;
}

void MetricsEndpoint::SetRules(const AccessRules& rules) {
  if (listener_) listener_->SetRules(rules);
}

}  // namespace bulkhead
