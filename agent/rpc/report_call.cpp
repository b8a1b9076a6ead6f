#include "agent/rpc/report_call.h"

namespace bulkhead {

ReportCall::ReportCall(uint64_t id, std::shared_ptr<grpc::Channel> channel, std::shared_ptr<ReportMailbox> mailbox)
    : id_(id), mailbox_(std::move(mailbox)), stub_(v1::ControllerService::NewStub(channel)) {
  stub_->async()->Report(&context_, this);
  AddHold();  // messages are written from outside of the callbacks
  StartRead(&response_);
  StartCall();
}

void ReportCall::Write(v1::ReportRequest request) {
  request_ = std::move(request);
  StartWrite(&request_);
}

Status ReportCall::End() {
  if (ended_) return Ok();
  ended_ = true;
  RemoveHold();
  // A controller that ended the call has sent its reason already; any other call is cut off.
  bool cancelled = false;
  bool stop = false;
  std::optional<ReportMailbox::Deadline> deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  while (true) {
    std::optional<ReportEvent> event = mailbox_->Pop(deadline);
    if (!event || event->kind == ReportEvent::Kind::kStop) {
      stop = stop || event.has_value();
      if (!cancelled) context_.TryCancel();
      cancelled = true;
      deadline.reset();
      continue;
    }
    if (event->call != id_ || event->kind != ReportEvent::Kind::kDone) continue;
    if (stop) mailbox_->Push(ReportEvent{.kind = ReportEvent::Kind::kStop});
    return event->status;
  }
}

void ReportCall::OnReadDone(bool ok) {
  if (!ok) return Push(ReportEvent::Kind::kBroken);
  mailbox_->Push(
      ReportEvent{.kind = ReportEvent::Kind::kAnswer, .call = id_, .committed = response_.committed_sequence()});
}

void ReportCall::OnWriteDone(bool ok) { Push(ok ? ReportEvent::Kind::kWrote : ReportEvent::Kind::kBroken); }

void ReportCall::OnDone(const grpc::Status& status) {
  // Whoever takes this event may destroy the call: nothing of it is touched afterwards.
  const std::shared_ptr<ReportMailbox> mailbox = mailbox_;
  mailbox->Push(
      ReportEvent{.kind = ReportEvent::Kind::kDone,
                  .call = id_,
                  .status = MakeStatus(static_cast<StatusCode>(status.error_code()), status.error_message())});
}

void ReportCall::Push(ReportEvent::Kind kind) { mailbox_->Push(ReportEvent{.kind = kind, .call = id_}); }

}  // namespace bulkhead
