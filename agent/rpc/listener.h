// A unix socket whose every peer is judged before anybody reads a byte from it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "agent/base/mailbox.h"
#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/rpc/peer.h"

namespace bulkhead {

// Owns the socket file and one thread that accepts. A refused peer's connection is closed at once; refusals are logged,
// at most one line a second.
class Listener {
 public:
  struct Options {
    std::string path;  // the folder is made when it is missing; at most 107 bytes
    AccessRules rules;
    size_t max_connections = 256;
    size_t max_connections_per_user = 64;  // root has no such limit
  };
  // Takes an admitted connection (non-blocking). Called on the accepting thread.
  using OnConnection = std::function<void(UniqueFd, Role)>;

  // Binds and listens, mode 0666: the credentials are what counts. A socket file that nobody listens on is replaced;
  // AlreadyExists when somebody does, or when the path is no socket.
  static Result<std::unique_ptr<Listener>> Create(Options options);
  ~Listener();  // stops accepting and removes the socket file if it is still this one
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  Status Start(OnConnection on_connection);  // once
  // For connections from now on; those that are open keep what they may. Any thread.
  void SetRules(const AccessRules& rules);
  void Stop();  // joins the thread; connections handed over go on

 private:
  struct Connection {
    UniqueFd watch;  // a duplicate: shows the hang-up, whoever of the two ends caused it
    uint32_t uid = 0;
  };
  Listener(Options options, UniqueFd socket, UniqueFd epoll, UniqueFd stop);
  void Run();
  void AcceptOne();
  Status CheckCount(const PeerCredentials& peer) const;
  void Refuse(const PeerCredentials& peer, const Status& why);

  Options options_;
  Guarded<AccessRules> rules_;
  UniqueFd socket_;
  UniqueFd epoll_;
  UniqueFd stop_;
  dev_t device_ = 0;  // of the socket file
  ino_t inode_ = 0;
  OnConnection on_connection_;
  std::thread thread_;

  // Accepting thread only.
  std::map<int, Connection> connections_;
  std::chrono::steady_clock::time_point next_log_{};
  size_t unlogged_ = 0;
};

}  // namespace bulkhead
