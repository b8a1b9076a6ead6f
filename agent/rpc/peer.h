// Who is at the other end of a unix socket, as the kernel says, and what that peer may do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/base/unique_fd.h"

namespace bulkhead {

enum class Role : uint8_t {
  kNone,
  kRead,    // may look
  kChange,  // may look and change
};

struct PeerCredentials {
  int pid = 0;
  uint32_t uid = 0;
  std::vector<uint32_t> groups;  // primary and supplementary, as they were when the peer connected
  // The process itself, whoever has its pid by now; not valid before kernel 6.5.
  UniqueFd process;
};

// SO_PEERCRED, SO_PEERGROUPS and SO_PEERPIDFD.
Result<PeerCredentials> ReadPeer(int socket);

struct AccessRules {
  std::string read_group;   // members may read
  std::string admin_group;  // members may change
  // Bulkhead's top cgroup as /proc/PID/cgroup names it ("/bulkhead"): whoever lives at or below it is a tenant and may
  // nothing, whatever its uid.
  std::string tenant_root;
};

// Root may change; then by group. A group that does not exist has no members. Looks the groups up (NSS) for everybody
// but root.
Role RoleOf(const PeerCredentials& peer, const AccessRules& rules);

// The path in the v2 hierarchy of a process, out of the text of /proc/PID/cgroup; nullopt without a v2 line.
std::optional<std::string> UnifiedPath(const std::string& proc_cgroup);
// `path` is `root` or lies below it.
bool IsBelow(const std::string& path, const std::string& root);

// RoleOf, or the reason for kNone: a tenant's process, a process that is gone, or no member of either group. Before
// kernel 6.5 a tenant's process that ends between connecting and this call passes for whoever got its pid meanwhile.
Result<Role> Admit(const PeerCredentials& peer, const AccessRules& rules);

}  // namespace bulkhead
