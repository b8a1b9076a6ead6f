// The controller's listener with its services, health checking and reflection.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/server.h>

#include "agent/base/endpoint.h"
#include "agent/base/status.h"
#include "controller/services.h"

namespace bulkhead {

// PEM files; all three (mTLS) or none.
struct TlsFiles {
  std::string ca;
  std::string cert;
  std::string key;
};

// An address that leaves the host needs TLS: InvalidArgument otherwise, or when files are missing from the three.
Result<Endpoint> CheckAddress(const std::string& address, const TlsFiles& tls);
// For the commands that ask a controller.
Result<std::shared_ptr<grpc::Channel>> DialController(const std::string& address, const TlsFiles& tls);

class ControllerServer {
 public:
  // Listens when it returns. A unix socket is this user's alone (0600); a stale one is replaced, one that is in use is
  // FailedPrecondition, as is a port in use.
  static Result<std::unique_ptr<ControllerServer>> Start(const std::string& address, const TlsFiles& tls,
                                                         std::unique_ptr<Store> store);
  ~ControllerServer();  // running calls end within 200 ms; agents send again what was not answered
  ControllerServer(const ControllerServer&) = delete;
  ControllerServer& operator=(const ControllerServer&) = delete;

  int port() const { return port_; }  // 0 for a unix socket

 private:
  explicit ControllerServer(std::unique_ptr<Store> store) : store_(std::move(store)), report_(store_), fleet_(store_) {}

  SharedStore store_;
  ReportService report_;
  FleetApi fleet_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace bulkhead
