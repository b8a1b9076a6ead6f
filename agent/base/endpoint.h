// Addresses of gRPC endpoints, and which of them may be spoken to without TLS.
#pragma once

#include <string>

#include "agent/base/status.h"

namespace bulkhead {

struct Endpoint {
  std::string target;  // as gRPC takes it
  bool local = false;  // never leaves the host: a unix socket, or a loopback address as a number or "localhost"
  bool unix_socket = false;
};

// "unix:///run/x.sock", "unix:/run/x.sock", "host:443", "127.0.0.1:443", "[::1]:443". The port must be there; 0 lets
// the kernel choose where one listens. InvalidArgument says what is wrong.
Result<Endpoint> ParseEndpoint(const std::string& address);

}  // namespace bulkhead
