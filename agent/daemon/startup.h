// The steps of bulkheadd's start that are neither wiring nor anybody else's.
#pragma once

#include <optional>
#include <string>

#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/engine/engine.h"
#include "bulkhead/v1/config.pb.h"

namespace bulkhead {

struct Flags {
  std::string config;  // empty: the default file, which may be missing
  bool check_config = false;
};
// An exit code when there is nothing (more) to do: 0 after --help and --version, 2 after a mistake, which was printed.
std::optional<int> ParseFlags(int argc, char** argv, Flags& flags);

// The file of --config, or /etc/bulkhead/bulkheadd.yaml, or, without that file, the defaults.
Result<v1::Config> ReadConfig(const Flags& flags);

// As many descriptors as this process may have: a task takes up to 14, and the customary 1024 are enough for 70 tasks.
void RaiseDescriptorLimit();

// Makes the state directory (0700) and locks it for as long as the descriptor is open; a second agent on the same
// directory is FailedPrecondition. PermissionDenied and the like when it cannot be written.
Result<UniqueFd> LockState(const std::string& directory);

// Applies what lies in the manifests folder. A mistake there is logged and an event, and nothing of the folder is
// applied: the state of before goes on, since walls that stand are better than an agent that does not start.
void ApplyManifests(const std::string& folder, Engine& engine, EventLog& events);

// systemd, where it started us: ready, stopping, and the watchdog fed from the loop itself, so that a loop that hangs
// is found out. Else nothing happens.
void NotifyReady();
void NotifyStopping();
Status FeedWatchdog(EventLoop& loop);

}  // namespace bulkhead
