// Sends the ledger to the controller: dials it, learns where to go on, sends batches, acknowledges what was committed.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "agent/base/endpoint.h"
#include "agent/base/mailbox.h"
#include "agent/base/status.h"
#include "agent/rpc/report_call.h"
#include "agent/rpc/report_state.h"
#include "agent/usage/ledger.h"
#include "bulkhead/v1/node_service.pb.h"

namespace bulkhead {

struct ReportOptions {
  std::string address;  // unix:///path or host:port
  // PEM files for mTLS, read at every attempt. All or none; without them only a local address is dialled.
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  std::string node_id;
  std::string boot_id;
  // Pause between attempts: doubles from min to max, of which a random half is taken off; starts anew after a batch
  // was committed.
  std::chrono::milliseconds backoff_min{1'000};
  std::chrono::milliseconds backoff_max{60'000};
  // Connecting, and every answer, takes at most this long.
  std::chrono::milliseconds answer_timeout{10'000};
};

// Has a thread of its own and never blocks the core thread, on which alone the ledger is touched. A controller that is
// away, slow, or says things that cannot be true (an acknowledgement of what was not sent, one that goes back) costs
// the connection: it is logged, the ledger stays as it is, and the next attempt waits longer.
class ReportClient {
 public:
  // Runs a closure on the core thread (EventLoop::Post).
  using Post = std::function<Status(std::function<void()>)>;
  static constexpr size_t kBatch = 1000;

  // InvalidArgument: a bad address, a remote one without TLS, or TLS files that are incomplete.
  static Result<Endpoint> Check(const ReportOptions& options);
  // Core thread. The error of Check. The ledger must outlive every closure that was posted.
  static Result<std::unique_ptr<ReportClient>> Start(ReportOptions options, Ledger& ledger, Post post);
  ~ReportClient() { Stop(); }
  ReportClient(const ReportClient&) = delete;
  ReportClient& operator=(const ReportClient&) = delete;

  void Wake();  // there are new records; any thread
  void Stop();  // ends the connection and the thread; what was not acknowledged stays in the ledger

  // Any thread.
  ReportState State() const;

 private:
  struct Connection {
    bool connected = false;
    std::string error;
  };

  ReportClient(ReportOptions options, Endpoint endpoint, Ledger& ledger, Post post);
  void Run();
  void Pause();
  Status Serve();
  Result<std::shared_ptr<grpc::Channel>> Dial() const;
  Result<ReportEvent> Await(ReportCall& call, ReportEvent::Kind kind, bool timed);
  Result<uint64_t> Ask(ReportCall& call, v1::ReportRequest request);
  Result<std::vector<UsageRecord>> Advance(ReportCall& call, uint64_t committed, bool first);
  v1::ReportRequest Batch(const std::vector<UsageRecord>& records, uint64_t after) const;

  ReportOptions options_;
  Endpoint endpoint_;
  Ledger& ledger_;
  std::string ledger_id_;
  Post post_;
  std::shared_ptr<ReportMailbox> mailbox_ = std::make_shared<ReportMailbox>();
  std::atomic<bool> stopping_ = false;
  Guarded<Connection> connection_;

  // Of the thread.
  uint64_t calls_ = 0;
  unsigned failures_ = 0;  // in a row
  bool awake_ = false;     // a kWake was seen
  bool writing_ = false;   // a message is on its way out
  std::string logged_;     // the last error that was logged
  std::mt19937_64 random_{std::random_device{}()};
  std::thread thread_;
};

}  // namespace bulkhead
