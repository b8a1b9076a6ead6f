// One WatchEvents call.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "agent/base/event_loop.h"
#include "agent/engine/event_log.h"
#include "agent/rpc/call_counts.h"
#include "bulkhead/v1/node_service.pb.h"

namespace bulkhead {

// Nothing is queued for a reader: the stream keeps its place in the log and one batch out of it. A reader that is so
// slow that the log dropped events before they were sent is cut with RESOURCE_EXHAUSTED, which names the resume point.
//
// The core thread reads the log and writes; gRPC's threads say when a write is done or the call was cancelled. phase_
// says whose turn it is: whoever takes it out of kIdle may call gRPC, and only one can.
class EventStream final : public grpc::ServerWriteReactor<v1::WatchEventsResponse>,
                          public std::enable_shared_from_this<EventStream> {
 public:
  // Keeps itself alive until gRPC is done with it.
  static std::shared_ptr<EventStream> Create(EventLoop& loop, EventLog& log, const v1::WatchEventsRequest& request,
                                             CallCounts& counts);

  void Start();                          // core thread, once: sends what the log keeps
  void Pump();                           // core thread: sends what is new, if the reader is ready for it
  void End(const grpc::Status& status);  // any thread: ends the call, unless it ends already or a write is under way

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class Phase : uint8_t { kIdle, kWriting, kFinished };

  EventStream(EventLoop& loop, EventLog& log, const v1::WatchEventsRequest& request, CallCounts& counts)
      : loop_(loop), log_(log), counts_(counts), follow_(request.follow()), last_(request.after_sequence()) {}
  bool Take(Phase next);  // kIdle → next
  void Post();
  bool Refill();

  EventLoop& loop_;
  EventLog& log_;
  CallCounts& counts_;
  const bool follow_;
  std::atomic<Phase> phase_{Phase::kIdle};
  std::atomic<bool> cancelled_{false};
  std::shared_ptr<EventStream> self_;

  // Core thread.
  uint64_t last_;         // sent, or asked to begin after
  bool started_ = false;  // from the first batch on a gap means that the reader is too slow
  std::vector<Event> batch_;
  size_t next_ = 0;                   // in batch_
  v1::WatchEventsResponse response_;  // gRPC's while kWriting
};

}  // namespace bulkhead
