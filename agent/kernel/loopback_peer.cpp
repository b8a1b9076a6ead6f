#include "agent/kernel/loopback_peer.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "agent/base/unique_fd.h"

namespace bulkhead {
namespace {

constexpr size_t kMaxVerdicts = 256;

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

// Port and address as inet_diag wants them.
void Put(const sockaddr_storage& address, __be16& port, __be32* out) {
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    port = v6.sin6_port;
    std::memcpy(out, &v6.sin6_addr, sizeof(v6.sin6_addr));
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    port = v4.sin_port;
    out[0] = v4.sin_addr.s_addr;
  }
}

Result<size_t> Ask(const Request& request, std::vector<char>& answer) {
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink.valid()) return Errno(errno, "open sock_diag");
  if (::send(netlink.get(), &request, sizeof(request), 0) < 0) return Errno(errno, "ask sock_diag");
  const ssize_t size = ::recv(netlink.get(), answer.data(), answer.size(), 0);
  if (size < 0) return Errno(errno, "read from sock_diag");
  return static_cast<size_t>(size);
}

// The folder is the cgroup, or has it below. What vanishes meanwhile is not looked for.
bool Holds(const std::filesystem::path& folder, uint64_t cgroup, const std::filesystem::path& except) {
  struct stat info {};
  if (folder == except || ::stat(folder.c_str(), &info) != 0) return false;
  if (info.st_ino == cgroup) return true;
  std::error_code gone;
  for (std::filesystem::directory_iterator at(folder, gone); !gone && at != std::filesystem::directory_iterator();
       at.increment(gone))
    if (std::error_code ignored; at->is_directory(ignored) && Holds(at->path(), cgroup, except)) return true;
  return false;
}

}  // namespace

Result<uint64_t> CgroupOfSocket(const sockaddr_storage& from, const sockaddr_storage& to) {
  Request request{};
  request.header = {.nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST};
  request.body.sdiag_family = static_cast<__u8>(from.ss_family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = ~0U;
  request.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
  request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  Put(from, request.body.id.idiag_sport, request.body.id.idiag_src);
  Put(to, request.body.id.idiag_dport, request.body.id.idiag_dst);

  std::vector<char> answer(16384);
  BULKHEAD_ASSIGN(const size_t size, Ask(request, answer));
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (size < sizeof(nlmsghdr) || header->nlmsg_len > size) return Internal("sock_diag: a short answer");
  if (header->nlmsg_type == NLMSG_ERROR) {
    const auto* error = reinterpret_cast<const nlmsgerr*>(answer.data() + NLMSG_HDRLEN);
    return Errno(-error->error, "find the peer's socket");
  }
  size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(inet_diag_msg));
  while (at + sizeof(nlattr) <= header->nlmsg_len) {
    const auto* attribute = reinterpret_cast<const nlattr*>(answer.data() + at);
    if (attribute->nla_len < sizeof(nlattr)) break;
    if (attribute->nla_type == INET_DIAG_CGROUP_ID && attribute->nla_len >= NLA_HDRLEN + sizeof(uint64_t)) {
      uint64_t cgroup = 0;
      std::memcpy(&cgroup, answer.data() + at + NLA_HDRLEN, sizeof(cgroup));
      return cgroup;
    }
    at += NLA_ALIGN(attribute->nla_len);
  }
  return FailedPrecondition("the kernel does not tell a socket's cgroup");
}

Status CheckOutside(uint64_t cgroup, const std::string& mount, const std::string& tenants) {
  if (Holds(mount, cgroup, tenants)) return Ok();
  return PermissionDenied(fmt::format("cgroup {} of the peer is a tenant's, or none that can be seen", cgroup));
}

Status LoopbackJudge::Check(const sockaddr_storage& peer, const sockaddr_storage& own) {
  BULKHEAD_ASSIGN(const uint64_t cgroup, CgroupOfSocket(peer, own));
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(verdicts_, [&](const auto& entry) { return entry.second.until < now; });
  if (const auto known = verdicts_.find(cgroup); known != verdicts_.end()) {
    if (known->second.outside) return Ok();
    return PermissionDenied(fmt::format("cgroup {} of the peer is a tenant's, or none that can be seen", cgroup));
  }
  Status outside = CheckOutside(cgroup, mount_, tenants_);
  if (verdicts_.size() < kMaxVerdicts) verdicts_[cgroup] = {outside.ok(), now + kHolds};
  return outside;
}

}  // namespace bulkhead
