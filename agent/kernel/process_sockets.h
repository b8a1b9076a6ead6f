// Internet sockets of a running process.
#pragma once

#include <cstdint>

#include "agent/base/status.h"

namespace bulkhead {

// How many TCP, UDP and raw sockets, IPv4 and IPv6, the process holds, by /proc. A socket stays in the cgroup it was
// made in: after a move these are outside the new cgroup's network walls. A socket held by several descriptors counts
// once. kNotFound: there is no such process.
Result<uint32_t> CountInetSockets(int pid);

}  // namespace bulkhead
