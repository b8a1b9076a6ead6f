// GET /metrics over connections that somebody else has accepted, or over a listening socket.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <memory>

#include "agent/base/event_loop.h"
#include "agent/base/mailbox.h"
#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/metrics/snapshot.h"

struct MHD_Connection;
struct MHD_Daemon;

namespace bulkhead {

// Has one thread of its own, which answers one scrape after the other and never holds up the core thread for longer
// than it takes to take a snapshot. A core thread that is busy for more than 5 s is answered with 503.
class MetricsServer {
 public:
  struct Options {
    EventLoop& core;
    std::function<MetricsSnapshot()> collect;  // called on the core thread
    UniqueFd listener;                         // not valid: connections come through Add
    // Whether this peer of `listener` may connect; called on the server's thread.
    std::function<bool(const sockaddr* peer, socklen_t size)> admit;
  };
  static Result<std::unique_ptr<MetricsServer>> Start(Options options);
  ~MetricsServer();  // any thread, the core thread too; scrapes under way are cut off
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  void Add(UniqueFd connection);  // any thread; closed when there are too many

  // For the library's callbacks.
  int Answer(MHD_Connection* connection, const char* path, const char* method);
  bool Admit(const sockaddr* peer, socklen_t size) const { return !options_.admit || options_.admit(peer, size); }

 private:
  using Reply = Mailbox<std::shared_ptr<const MetricsSnapshot>>;

  explicit MetricsServer(Options options) : options_(std::move(options)) {}
  std::shared_ptr<const MetricsSnapshot> Ask();

  Options options_;
  std::atomic<bool> stopping_ = false;
  Guarded<std::shared_ptr<Reply>> waiting_;  // what the server's thread waits for
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace bulkhead
