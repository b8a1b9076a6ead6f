// Starts a command that stands still until it is told to go.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/base/unique_fd.h"

namespace bulkhead::cli {

// Whom the command runs as.
struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};
// By name or number. NotFound when there is no such user.
Result<User> FindUser(const std::string& text);

// The child of a Launch has done nothing yet but wait: everything it will ever do happens after Go. If this process
// dies or drops the Launch before, the child ends without having run anything. Fork while the process has one thread.
class Launch {
 public:
  // Forks. From here on this process has the signals blocked that Wait deals with.
  static Result<Launch> Prepare(const std::vector<std::string>& command, const std::optional<User>& user);
  Launch(Launch&&) noexcept = default;
  Launch& operator=(Launch&&) = delete;
  ~Launch();  // before Go: the child ends, and is reaped

  int pid() const { return pid_; }
  // Descriptors above 2 are closed, the user is taken on, the command executed. A command that cannot be: the child
  // says why on standard error and exits with 127 (not found) or 126.
  Status Go();
  // Until the command ends: its exit code, or 128 + the signal that killed it. SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2
  // are passed on; of SIGINT and SIGQUIT those that somebody sent here, as the terminal's reach the command by
  // themselves.
  Result<int> Wait();

 private:
  Launch(pid_t pid, UniqueFd go) : pid_(pid), go_(std::move(go)) {}
  pid_t pid_;
  UniqueFd go_;  // the child reads one byte from the other end; end of file means: do not run
};

}  // namespace bulkhead::cli
