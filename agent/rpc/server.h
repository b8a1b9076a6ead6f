// The agent's API on its unix socket.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/rpc/listener.h"
#include "agent/rpc/node_service.h"

namespace bulkhead {

// The listener judges a connection and gives it to one of two gRPC servers, which differ in what their callers may do.
// Both answer health checks and reflection. Made and destroyed on the core thread.
class Server {
 public:
  // Takes the listener and begins to accept; answers no call before the loop runs. `loop` and `api` outlive the server.
  static Result<std::unique_ptr<Server>> Start(std::unique_ptr<Listener> listener, EventLoop& loop, NodeApi& api);
  // Cancels what is under way and waits for it. The loop must not run (any more): it is closed, so that calls that wait
  // for it end, too.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // What health checks say. Not serving at first.
  void SetServing(bool serving);
  // Who is let in from now on.
  void SetRules(const AccessRules& rules) { listener_->SetRules(rules); }
  CallCounts::Counts calls() const { return counts_.Get(); }

 private:
  Server(EventLoop& loop, NodeApi& api);

  EventLoop& loop_;
  CallCounts counts_;
  EventStreams streams_;
  NodeService reader_service_;
  NodeService admin_service_;
  std::unique_ptr<grpc::Server> reader_;
  std::unique_ptr<grpc::Server> admin_;
  std::unique_ptr<Listener> listener_;  // last: gone before the servers that it hands connections to
};

}  // namespace bulkhead
