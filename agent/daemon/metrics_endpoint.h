// Where metrics can be had, as metrics.listen says.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/metrics/http_server.h"
#include "agent/rpc/listener.h"

namespace bulkhead {

// Core thread only.
class MetricsEndpoint {
 public:
  struct Parts {
    EventLoop& core;
    std::function<MetricsSnapshot()> collect;
    // Of the peer of a loopback connection: whether it is no tenant's process. Called on another thread.
    std::function<Status(const sockaddr_storage& peer, const sockaddr_storage& own)> check_peer;
  };
  // An address that the configuration lets pass; "" is none. AlreadyExists and the like: it cannot be had.
  static Result<std::unique_ptr<MetricsEndpoint>> Open(const std::string& listen, const AccessRules& rules,
                                                       const Parts& parts);

  void SetRules(const AccessRules& rules);  // for connections from now on

 private:
  MetricsEndpoint() = default;
  std::unique_ptr<MetricsServer> server_;
  std::unique_ptr<Listener> listener_;  // of a unix socket; last: gone before the server that it hands connections to
};

}  // namespace bulkhead
