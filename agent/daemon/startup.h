// The steps of bulkheadd's start that are neither wiring nor anybody else's.
#pragma once

#include <optional>
#include <string>

#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/manifest/agent_config.h"

namespace bulkhead {

struct Flags {
  std::string config;  // empty: the default file, which may be missing
  bool check_config = false;
};
// An exit code when there is nothing (more) to do: 0 after --help and --version, 2 after a mistake, which was printed.
std::optional<int> ParseFlags(int argc, char** argv, Flags& flags);

// The file of --config, or /etc/bulkhead/bulkheadd.yaml, or, without that file, the defaults.
Result<AgentConfig> ReadConfig(const Flags& flags);

// Which file that is, absolute; empty: none.
std::string ConfigFile(const Flags& flags);

// As many descriptors as this process may have: a task takes up to 14, and the customary 1024 are enough for 70 tasks.
void RaiseDescriptorLimit();

// Makes the state directory (0700) and locks it for as long as the descriptor is open; a second agent on the same
// directory is FailedPrecondition. PermissionDenied and the like when it cannot be written.
Result<UniqueFd> LockState(const std::string& directory);

// systemd, where it started us: reading the files again, ready (again) and with what error, stopping, and the watchdog
// fed from the loop itself, so that a loop that hangs is found out. Else nothing happens. Any thread.
void NotifyReloading();
void NotifyReady(const Status& load);  // of configuration and manifests; shown by systemctl status
void NotifyStopping();
Status FeedWatchdog(EventLoop& loop);

}  // namespace bulkhead
