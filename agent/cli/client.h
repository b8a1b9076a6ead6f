// A connection to the agent.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "agent/base/status.h"
#include "agent/cli/cli.h"
#include "bulkhead/v1/node_service.grpc.pb.h"

namespace bulkhead::cli {

std::string SocketPath(const std::string& address);  // of "unix:PATH" and "unix:///PATH"
Status FromGrpc(const grpc::Status& status);

class Client {
 public:
  // Connects and waits until the agent has let us in, so that every way to fail has a message of its own: no agent, an
  // agent that died, no permission (PermissionDenied), an agent that hangs.
  static Result<std::unique_ptr<Client>> Connect(const Cli& cli);

  template <typename Request, typename Response>
  Status Call(grpc::Status (v1::NodeService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
    return FromGrpc(((*stub_).*method)(&context, request, &response));
  }
  // A list call over all its pages, each given to `append`.
  template <typename Request, typename Response, typename Append>
  Status CallPages(grpc::Status (v1::NodeService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                   Request request, Append append) {
    while (true) {
      Response page;
      if (Status called = Call(method, request, page); !called.ok()) return called;
      append(page);
      if (page.next_page_token().empty()) return Ok();
      request.set_page_token(page.next_page_token());
    }
  }
  // Removes an object. Where the agent says that the removal goes on by itself, waits for its end, up to
  // kRemovalPatience; then that Unavailable, which says why.
  static constexpr std::chrono::seconds kRemovalPatience{5};
  Status Delete(const v1::DeleteRequest& request, v1::DeleteResponse& response);
  v1::NodeService::Stub& stub() { return *stub_; }

 private:
  Client(std::unique_ptr<v1::NodeService::Stub> stub, std::chrono::seconds timeout)
      : stub_(std::move(stub)), timeout_(timeout) {}
  Status Get(const std::string& kind, const std::string& name);
  std::unique_ptr<v1::NodeService::Stub> stub_;
  std::chrono::seconds timeout_;
};

}  // namespace bulkhead::cli
