#include "agent/kernel/foreign_programs.h"

#include <linux/bpf.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

struct Hook {
  bpf_attach_type type;
  const char* name;
};
constexpr std::array kHooks = {
    Hook{BPF_CGROUP_INET_EGRESS, "egress"},
    Hook{BPF_CGROUP_INET_INGRESS, "ingress"},
    Hook{BPF_CGROUP_INET_SOCK_CREATE, "sock_create"},
    Hook{BPF_CGROUP_INET4_CONNECT, "connect4"},
    Hook{BPF_CGROUP_INET6_CONNECT, "connect6"},
    Hook{BPF_CGROUP_UDP4_SENDMSG, "sendmsg4"},
    Hook{BPF_CGROUP_UDP6_SENDMSG, "sendmsg6"},
    Hook{BPF_CGROUP_INET4_BIND, "bind4"},
    Hook{BPF_CGROUP_INET6_BIND, "bind6"},
    Hook{BPF_CGROUP_SOCK_OPS, "sock_ops"},
    Hook{BPF_CGROUP_SETSOCKOPT, "setsockopt"},
    Hook{BPF_CGROUP_DEVICE, "device"},
    Hook{BPF_CGROUP_SYSCTL, "sysctl"},
};
constexpr uint32_t kMaxPrograms = 64;  // what the kernel allows on one hook of one cgroup

// Only CAP_SYS_ADMIN may open a program by its id; for others it has no name.
std::string NameOf(uint32_t id) {
  const UniqueFd program(bpf_prog_get_fd_by_id(id));
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) return "";
  return info.name;
}

Status AddPrograms(const std::string& path, int cgroup, bool on_top, const std::map<std::string, uint32_t>& ours,
                   std::vector<CgroupProgram>& found) {
  for (const Hook& hook : kHooks) {
    std::array<uint32_t, kMaxPrograms> ids{};
    uint32_t count = ids.size();
    uint32_t flags = 0;
    if (bpf_prog_query(cgroup, hook.type, 0, &flags, ids.data(), &count) != 0) {
      if (errno == EINVAL) continue;  // this kernel has no such hook
      return Errno(errno, fmt::format("ask for programs on {} of cgroup {}", hook.name, path));
    }
    const auto own = ours.find(hook.name);
    for (uint32_t i = 0; i < count; ++i) {
      if (own != ours.end() && own->second == ids.at(i)) continue;
      found.push_back({path, hook.name, ids.at(i), NameOf(ids.at(i)), flags == 0, own != ours.end(), on_top});
    }
  }
  return Ok();
}

}  // namespace

Result<std::vector<CgroupProgram>> FindForeignPrograms(const CgroupRef& root,
                                                       const std::map<std::string, uint32_t>& ours) {
  std::vector<CgroupProgram> found;
  BULKHEAD_RETURN_IF_ERROR(AddPrograms(root.path, root.fd.get(), true, ours, found));
  std::filesystem::path path = root.path;
  for (uint32_t level = root.level; level > 0; --level) {
    path = path.parent_path();
    BULKHEAD_ASSIGN(const UniqueFd cgroup, OpenDir(path));
    BULKHEAD_RETURN_IF_ERROR(AddPrograms(path, cgroup.get(), false, ours, found));
  }
  return found;
}

}  // namespace bulkhead
