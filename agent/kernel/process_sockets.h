// Internet sockets of a running process.
#pragma once

#include <cstdint>
#include <string>

#include "agent/base/status.h"

namespace bulkhead {

struct InetSockets {
  uint32_t count = 0;
  std::string unknown;  // why there may be more; empty: there are not
};

// How many internet sockets (IPv4 and IPv6) the process holds; one held by several descriptors counts once. A socket
// stays in the cgroup it was made in: after a move these are outside the new cgroup's network walls. Where the agent
// may not ask the sockets themselves (pidfd_getfd needs CAP_SYS_PTRACE) it goes by /proc/PID/net, which does not list
// those that are neither bound nor connected; a socket that no table there lists may be one of them, so `unknown` says
// so. Where it may not even see the descriptors, nothing is known. kNotFound: there is no such process.
Result<InetSockets> CountInetSockets(int pid);

}  // namespace bulkhead
