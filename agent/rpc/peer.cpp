#include "agent/rpc/peer.h"

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include <fmt/format.h>

#include "agent/base/file_io.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5
#endif

namespace bulkhead {
namespace {

std::optional<uint32_t> GroupId(const std::string& name) {
  if (name.empty()) return std::nullopt;
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(4096);
  int error = 0;
  while ((error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) == ERANGE)
    buffer.resize(buffer.size() * 2);  // a group with many members
  if (error != 0 || found == nullptr) return std::nullopt;
  return entry.gr_gid;
}

bool IsMember(const PeerCredentials& peer, const std::string& name) {
  const std::optional<uint32_t> id = GroupId(name);
  return id && std::find(peer.groups.begin(), peer.groups.end(), *id) != peer.groups.end();
}

// Not valid: the kernel does not know how.
Result<UniqueFd> ReadPeerProcess(int socket) {
  int fd = -1;
  socklen_t size = sizeof(fd);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) return UniqueFd(fd);
  if (errno == ENOPROTOOPT) return UniqueFd();
  return PermissionDenied(fmt::format("the peer's process cannot be had: {}", std::strerror(errno)));
}

bool HasEnded(const UniqueFd& process) {
  pollfd end{.fd = process.get(), .events = POLLIN, .revents = 0};
  return process.valid() && ::poll(&end, 1, 0) != 0;
}

}  // namespace

Result<PeerCredentials> ReadPeer(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return Errno(errno, "read the peer's credentials");
  PeerCredentials peer{.pid = credentials.pid, .uid = credentials.uid, .groups = {}, .process = {}};
  BULKHEAD_ASSIGN(peer.process, ReadPeerProcess(socket));

  std::vector<gid_t> groups(32);
  size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int error = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
  if (error != 0 && errno == ERANGE) {  // size is now what is needed
    groups.resize(size / sizeof(gid_t));
    error = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
  }
  if (error != 0) return Errno(errno, "read the peer's groups");
  groups.resize(size / sizeof(gid_t));
  peer.groups.assign(groups.begin(), groups.end());
  peer.groups.push_back(credentials.gid);
  return peer;
}

Role RoleOf(const PeerCredentials& peer, const AccessRules& rules) {
  if (peer.uid == 0 || IsMember(peer, rules.admin_group)) return Role::kChange;
  return IsMember(peer, rules.read_group) ? Role::kRead : Role::kNone;
}

std::optional<std::string> UnifiedPath(const std::string& proc_cgroup) {
  std::istringstream lines(proc_cgroup);
  for (std::string line; std::getline(lines, line);)
    if (line.rfind("0::", 0) == 0) return line.substr(3);
  return std::nullopt;
}

bool IsBelow(const std::string& path, const std::string& root) {
  if (path.compare(0, root.size(), root) != 0) return false;
  return path.size() == root.size() || path[root.size()] == '/' || root.empty() || root.back() == '/';
}

Result<Role> Admit(const PeerCredentials& peer, const AccessRules& rules) {
  // A peer of an outer pid namespace has pid 0 and a peer that exited has no entry: neither can be told from a tenant.
  const auto cgroup = ReadFile(fmt::format("/proc/{}/cgroup", peer.pid));
  if (!cgroup.ok()) return PermissionDenied("the peer's cgroup cannot be read: " + Message(cgroup.status()));
  if (HasEnded(peer.process)) return PermissionDenied("the peer has ended: its pid may be another's by now");
  const std::optional<std::string> path = UnifiedPath(*cgroup);
  if (!path) return PermissionDenied("the peer is in no cgroup of the v2 hierarchy");
  if (IsBelow(*path, rules.tenant_root))
    return PermissionDenied(fmt::format("the peer is a tenant's process ({})", *path));
  const Role role = RoleOf(peer, rules);
  if (role == Role::kNone)
    return PermissionDenied(
        fmt::format("the peer is neither root nor in group {} or {}", rules.read_group, rules.admin_group));
  return role;
}

}  // namespace bulkhead
