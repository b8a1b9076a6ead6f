// One Report call: gRPC's callbacks become events in a mailbox, so that the thread that reports reads like a story.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "agent/base/mailbox.h"
#include "agent/base/status.h"
#include "agent/usage/ledger.h"
#include "bulkhead/v1/controller_service.grpc.pb.h"

namespace bulkhead {

// What the reporting thread waits for.
struct ReportEvent {
  enum class Kind {
    kWake,    // there are new records
    kStop,    // the agent ends
    kWrote,   // a message went out
    kAnswer,  // the controller's `committed`
    kBroken,  // the call is over; End() says why
    kDone,    // gRPC is through with the call: `status`
    kCore,    // the core thread's reply: `status`, `more`, `records`
  };
  Kind kind = Kind::kWake;
  uint64_t call = 0;  // which call's event it is; 0: of none
  uint64_t committed = 0;
  Status status;
  bool more = false;  // not all is acknowledged yet, and nothing read
  std::vector<UsageRecord> records;
};
using ReportMailbox = Mailbox<ReportEvent>;

// Used by one thread. Events of this call carry its id.
class ReportCall final : private grpc::ClientBidiReactor<v1::ReportRequest, v1::ReportResponse> {
 public:
  // Starts the call and listens for the first answer.
  ReportCall(uint64_t id, std::shared_ptr<grpc::Channel> channel, std::shared_ptr<ReportMailbox> mailbox);
  ~ReportCall() override { (void)End(); }
  ReportCall(const ReportCall&) = delete;
  ReportCall& operator=(const ReportCall&) = delete;

  uint64_t id() const { return id_; }
  // One message at a time: the next only after kWrote.
  void Write(v1::ReportRequest request);
  // Listens for the next answer; only after the one before arrived.
  void Read() { StartRead(&response_); }
  // Ends the call, waits until gRPC is through with it, and says how the controller ended it (cancelled when it did
  // not). Drops what else is in the mailbox, except stops.
  Status End();

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  void Push(ReportEvent::Kind kind);

  uint64_t id_;
  std::shared_ptr<ReportMailbox> mailbox_;
  std::unique_ptr<v1::ControllerService::Stub> stub_;
  grpc::ClientContext context_;
  v1::ReportRequest request_;
  v1::ReportResponse response_;
  bool ended_ = false;
};

}  // namespace bulkhead
