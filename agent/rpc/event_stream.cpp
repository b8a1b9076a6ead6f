#include "agent/rpc/event_stream.h"

#include <fmt/format.h>

#include "agent/rpc/encode_state.h"
#include "agent/rpc/grpc_status.h"

namespace bulkhead {
namespace {

void Encode(const Event& event, v1::Event& to) {
  to.set_sequence(event.sequence);
  *to.mutable_time() = EncodeTime(event.time);
  to.set_type(event.type);
  to.set_object(event.object);
  to.set_message(event.message);
}

}  // namespace

std::shared_ptr<EventStream> EventStream::Create(EventLoop& loop, EventLog& log, const v1::WatchEventsRequest& request,
                                                 CallCounts& counts) {
  std::shared_ptr<EventStream> stream(new EventStream(loop, log, request, counts));
  stream->self_ = stream;
  return stream;
}

bool EventStream::Take(Phase next) {
  Phase idle = Phase::kIdle;
  return phase_.compare_exchange_strong(idle, next);
}

void EventStream::End(const grpc::Status& status) {
  if (!Take(Phase::kFinished)) return;
  counts_.Add("WatchEvents", status.error_code());
  Finish(status);
}

void EventStream::Start() {
  const std::vector<Event> all = log_.After(0);
  const uint64_t newest = all.empty() ? 0 : all.back().sequence;
  // Events number from 1 at agent start: a later resume point is one of an earlier run, and waiting for it would hide
  // all that happens until then.
  if (last_ > newest)
    return End(grpc::Status(grpc::StatusCode::OUT_OF_RANGE,
                            fmt::format("after_sequence: {} was never given out (newest: {}): the agent was restarted, "
                                        "begin again at 0",
                                        last_, newest)));
  Pump();
}

// False when there is nothing to send; the call may have been ended then.
bool EventStream::Refill() {
  batch_ = log_.After(last_);
  next_ = 0;
  const bool lost = started_ && !batch_.empty() && batch_.front().sequence != last_ + 1;
  started_ = true;
  if (lost) {
    End(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                     fmt::format("the reader is too slow: events {} to {} were dropped: resume after {}", last_ + 1,
                                 batch_.front().sequence - 1, last_)));
    return false;
  }
  if (batch_.empty() && !follow_) End(grpc::Status::OK);
  return !batch_.empty();
}

void EventStream::Pump() {
  if (phase_.load() != Phase::kIdle) return;
  if (next_ == batch_.size() && !Refill()) return;
  if (!Take(Phase::kWriting)) return;  // cancelled meanwhile
  Encode(batch_[next_], *response_.mutable_event());
  last_ = batch_[next_].sequence;
  ++next_;
  StartWrite(&response_);
}

void EventStream::Post() {
  const Status posted = loop_.Post([self = shared_from_this()] { self->Pump(); });
  if (!posted.ok()) End(ToGrpc(posted));
}

void EventStream::OnWriteDone(bool ok) {
  phase_.store(Phase::kIdle);
  if (!ok || cancelled_.load()) return End(grpc::Status::CANCELLED);
  Post();
}

void EventStream::OnCancel() {
  cancelled_.store(true);
  End(grpc::Status::CANCELLED);  // while writing: OnWriteDone comes, and sees cancelled_
}

void EventStream::OnDone() { self_.reset(); }

}  // namespace bulkhead
