#include "tests/support/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace bulkhead::test {
namespace {

// ::ffff:a.b.c.d stays an IPv6 address: that is what v4-mapped tests are about.
socklen_t Encode(const std::string& address, uint16_t port, sockaddr_storage& out) {
  std::memset(&out, 0, sizeof(out));
  if (address.find(':') != std::string::npos) {
    auto* six = reinterpret_cast<sockaddr_in6*>(&out);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    inet_pton(AF_INET6, address.c_str(), &six->sin6_addr);
    return sizeof(*six);
  }
  auto* four = reinterpret_cast<sockaddr_in*>(&out);
  four->sin_family = AF_INET;
  four->sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &four->sin_addr);
  return sizeof(*four);
}

bool Wait(int fd, short events, int timeout_ms) {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  return ::poll(&entry, 1, timeout_ms) == 1;
}

}  // namespace

bool WaitReadable(int fd, int timeout_ms) { return Wait(fd, POLLIN, timeout_ms); }

UniqueFd OpenSocket(const std::string& address, Transport transport) {
  const int family = address.find(':') != std::string::npos ? AF_INET6 : AF_INET;
  return UniqueFd(
      ::socket(family, (transport == Transport::kTcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

int BindTo(int fd, const std::string& address, uint16_t port, Transport transport) {
  sockaddr_storage to{};
  const socklen_t length = Encode(address, port, to);
  const int on = 1;
  if (transport == Transport::kTcp) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (to.ss_family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  if (::bind(fd, reinterpret_cast<sockaddr*>(&to), length) != 0) return errno;
  if (transport == Transport::kTcp && ::listen(fd, 64) != 0) return errno;
  return 0;
}

uint16_t PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

int ConnectTo(int fd, const std::string& address, uint16_t port, int timeout_ms) {
  sockaddr_storage to{};
  const socklen_t length = Encode(address, port, to);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), length) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!Wait(fd, POLLOUT, timeout_ms)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof(error);
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

int SendTo(int fd, const std::string& address, uint16_t port, const std::string& text) {
  sockaddr_storage to{};
  const socklen_t length = Encode(address, port, to);
  return ::sendto(fd, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to), length) < 0 ? errno : 0;
}

int Echo(int fd, int timeout_ms) {
  if (::send(fd, "x", 1, MSG_NOSIGNAL) != 1) return errno;
  if (!WaitReadable(fd, timeout_ms)) return ETIMEDOUT;
  char byte = 0;
  const ssize_t got = ::recv(fd, &byte, 1, 0);
  return got == 1 ? 0 : got == 0 ? ECONNRESET : errno;
}

int Probe(const std::string& address, uint16_t port, Transport transport, int timeout_ms) {
  const UniqueFd fd = OpenSocket(address, transport);
  if (!fd.valid()) return errno;
  if (const int error = ConnectTo(fd.get(), address, port, timeout_ms); error != 0) return error;
  return Echo(fd.get(), timeout_ms);
}

int EchoSockets(uint16_t port, UniqueFd (&sockets)[4]) {
  size_t at = 0;
  for (const char* address : {"0.0.0.0", "::"}) {
    for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
      sockets[at] = OpenSocket(address, transport);
      if (!sockets[at].valid()) return errno;
      if (const int error = BindTo(sockets[at].get(), address, port, transport); error != 0) return error;
      ++at;
    }
  }
  return 0;
}

int EchoLoop(UniqueFd (&sockets)[4]) {
  std::vector<UniqueFd> accepted;
  for (;;) {
    std::vector<pollfd> entries;
    for (const UniqueFd& fd : sockets) entries.push_back({fd.get(), POLLIN, 0});
    for (const UniqueFd& fd : accepted) entries.push_back({fd.get(), POLLIN, 0});
    if (::poll(entries.data(), entries.size(), -1) < 0) return errno;
    char buffer[2048];
    for (size_t i = 4; i < entries.size(); ++i) {
      if (!entries[i].revents) continue;
      const ssize_t got = ::recv(entries[i].fd, buffer, sizeof(buffer), 0);
      if (got <= 0 || ::send(entries[i].fd, buffer, static_cast<size_t>(got), MSG_NOSIGNAL) != got)
        accepted[i - 4].reset();
    }
    std::erase_if(accepted, [](const UniqueFd& fd) { return !fd.valid(); });
    for (size_t i = 0; i < 4; ++i) {
      if (!entries[i].revents) continue;
      if (i % 2 == 0) {
        UniqueFd fd(::accept4(entries[i].fd, nullptr, nullptr, SOCK_CLOEXEC));
        if (fd.valid()) accepted.push_back(std::move(fd));
        continue;
      }
      sockaddr_storage from{};
      socklen_t length = sizeof(from);
      const ssize_t got =
          ::recvfrom(entries[i].fd, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (got > 0)
        (void)::sendto(entries[i].fd, buffer, static_cast<size_t>(got), MSG_NOSIGNAL,
                       reinterpret_cast<sockaddr*>(&from), length);
    }
  }
}

}  // namespace bulkhead::test
