// Internet sockets of a running process.
#pragma once

#include <cstdint>

#include "agent/base/status.h"

namespace bulkhead {

// How many internet sockets (IPv4 and IPv6) the process holds; one held by several descriptors counts once. A socket
// stays in the cgroup it was made in: after a move these are outside the new cgroup's network walls. Where the agent
// may not ask the sockets themselves (pidfd_getfd) it goes by /proc/PID/net, which does not list those that are neither
// bound nor connected. kNotFound: there is no such process.
Result<uint32_t> CountInetSockets(int pid);

}  // namespace bulkhead
