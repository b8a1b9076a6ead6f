// Who is at the other end of a TCP connection within this host, by the cgroup of the socket there.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "agent/base/status.h"

namespace bulkhead {

// The v2 cgroup (its inode) of the socket whose own address is `from` and whose peer is `to`, in this network
// namespace. A socket keeps the cgroup of the process that made it. NotFound: there is no such socket (any more).
Result<uint64_t> CgroupOfSocket(const sockaddr_storage& from, const sockaddr_storage& to);

// Ok when the cgroup lies in the hierarchy mounted at `mount`, and not at or below `tenants`, the top cgroup's folder.
// One that is not found, because it is gone or made just now, is PermissionDenied: only what is known to be no tenant's
// passes. Walks the hierarchy without `tenants`.
Status CheckOutside(uint64_t cgroup, const std::string& mount, const std::string& tenants);

// The two together, for a port on a loopback address that tenants on the host's network can reach, too. What was found
// of a cgroup holds for a while, so that a tenant that connects all the time costs little. One thread at a time.
class LoopbackJudge {
 public:
  static constexpr std::chrono::seconds kHolds{5};

  LoopbackJudge(std::string mount, std::string tenants) : mount_(std::move(mount)), tenants_(std::move(tenants)) {}

  // Ok: the process that made the peer's socket is no tenant's. `own` is this end's address.
  Status Check(const sockaddr_storage& peer, const sockaddr_storage& own);

 private:
  struct Verdict {
    bool outside = false;
    std::chrono::steady_clock::time_point until;
  };
  std::string mount_;
  std::string tenants_;
  std::map<uint64_t, Verdict> verdicts_;
};

}  // namespace bulkhead
