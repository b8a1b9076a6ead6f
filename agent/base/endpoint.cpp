#include "agent/base/endpoint.h"

#include <arpa/inet.h>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace

Result<Endpoint> ParseEndpoint(const std::string& address) {
  constexpr char kForms[] = "use unix:///path or host:port";
  if (address.rfind("unix:", 0) == 0) {
    std::string path = address.substr(5);
    if (path.rfind("//", 0) == 0) path = path.substr(2);
    if (path.empty() || path[0] != '/')
      return InvalidArgument(fmt::format("address \"{}\": the socket's path must be absolute: {}", address, kForms));
    if (path.size() > 107)
      return InvalidArgument(fmt::format("address \"{}\": a socket's path has at most 107 bytes", address));
    return Endpoint{"unix:" + path, true, true};
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || address.find("//") != std::string::npos)
    return InvalidArgument(fmt::format("address \"{}\": {}", address, kForms));
  const auto port = ParseUnsigned(address.substr(colon + 1));
  if (!port.ok() || *port > 65535) return InvalidArgument(fmt::format("address \"{}\": bad port: {}", address, kForms));
  std::string host = address.substr(0, colon);
  if (host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string::npos)
    return InvalidArgument(fmt::format("address \"{}\": an IPv6 address goes in brackets: [::1]:443", address));
  return Endpoint{address, IsLoopback(host), false};
}

}  // namespace bulkhead
