#include "agent/rpc/grpc_status.h"

#include <cstddef>

namespace bulkhead {
namespace {

// Clients take 8 KiB of metadata by default, and the message is percent-encoded there: up to three bytes for one.
constexpr size_t kMaxMessage = 2000;

}  // namespace

grpc::Status ToGrpc(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message = Message(status);
  if (message.size() > kMaxMessage) {
    size_t end = kMaxMessage;
    while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80U) --end;  // inside a UTF-8 sequence
    message = message.substr(0, end) + " …";
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message);
}

}  // namespace bulkhead
