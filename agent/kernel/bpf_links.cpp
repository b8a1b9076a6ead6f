#include "agent/kernel/bpf_links.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

struct ProgramSpec {
  const char* name;
  bpf_attach_type type;
};
// The packet hooks first: they alone are complete walls. sock_create next: it marks sockets for the others.
constexpr std::array<ProgramSpec, 9> kPrograms{{
    {"egress", BPF_CGROUP_INET_EGRESS},
    {"ingress", BPF_CGROUP_INET_INGRESS},
    {"sock_create", BPF_CGROUP_INET_SOCK_CREATE},
    {"connect4", BPF_CGROUP_INET4_CONNECT},
    {"connect6", BPF_CGROUP_INET6_CONNECT},
    {"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
    {"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
    {"bind4", BPF_CGROUP_INET4_BIND},
    {"bind6", BPF_CGROUP_INET6_BIND},
}};

constexpr uint64_t kTopCgroupId = 1;  // the inode of a cgroup2 hierarchy's top, in every kernel

// The cgroup a link is attached to; 0 when its cgroup is gone or somebody detached it.
Result<uint64_t> LinkedCgroup(int fd) {
  bpf_link_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) return Errno(errno, "read link");
  return info.type == BPF_LINK_TYPE_CGROUP ? info.cgroup.cgroup_id : 0;
}

// Which ancestor forbids programs below it: one attached there without BPF_F_ALLOW_MULTI or BPF_F_ALLOW_OVERRIDE.
std::string ExclusiveAncestor(const CgroupRef& root, bpf_attach_type type) {
  std::filesystem::path path = root.path;
  for (uint32_t level = root.level; level > 0; --level) {
    path = path.parent_path();
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    uint32_t flags = 0;
    uint32_t count = 0;
    if (fd.valid() && bpf_prog_query(fd.get(), type, 0, &flags, nullptr, &count) == 0 && count > 0 && flags == 0)
      return path.string();
  }
  return "";
}

Result<UniqueFd> MakeLink(const ProgramSpec& program, int program_fd, const CgroupRef& root) {
  UniqueFd link(bpf_link_create(program_fd, root.fd.get(), program.type, nullptr));
  if (link.valid()) return link;
  const int error = errno;
  const std::string what = fmt::format("attach program {} to cgroup {}", program.name, root.path);
  if (error != EPERM) return Errno(error, what);
  if (const std::string ancestor = ExclusiveAncestor(root, program.type); !ancestor.empty())
    return FailedPrecondition(
        fmt::format("{}: cgroup {} holds a program that forbids others below it; detach that program, or have its "
                    "owner attach it with BPF_F_ALLOW_MULTI",
                    what, ancestor));
  return Errno(error, what);
}

}  // namespace

Result<CgroupRef> OpenCgroup(const std::string& path) {
  CgroupRef cgroup;
  cgroup.path = std::filesystem::path(path).lexically_normal().string();
  while (cgroup.path.size() > 1 && cgroup.path.back() == '/') cgroup.path.pop_back();
  BULKHEAD_ASSIGN(cgroup.fd, OpenDir(cgroup.path));
  struct statfs mount {};
  if (::fstatfs(cgroup.fd.get(), &mount) != 0) return Errno(errno, "examine " + path);
  if (mount.f_type != CGROUP2_SUPER_MAGIC) return FailedPrecondition(path + " is not a cgroup2 directory");
  struct stat status {};
  if (::fstat(cgroup.fd.get(), &status) != 0) return Errno(errno, "examine " + path);
  cgroup.id = status.st_ino;
  if (cgroup.id == kTopCgroupId)
    return FailedPrecondition(path + " is the top of the hierarchy: a wall there would shut the host off");
  UniqueFd above(::fcntl(cgroup.fd.get(), F_DUPFD_CLOEXEC, 0));
  for (uint64_t id = cgroup.id; id != kTopCgroupId; ++cgroup.level) {
    BULKHEAD_ASSIGN(above, OpenAt(above.get(), "..", O_RDONLY | O_DIRECTORY));
    if (::fstat(above.get(), &status) != 0 || ::fstatfs(above.get(), &mount) != 0)
      return Errno(errno, "examine what is above " + path);
    if (mount.f_type != CGROUP2_SUPER_MAGIC)
      return FailedPrecondition("the hierarchy's top cannot be seen from " + path +
                                ": the cgroup2 mount belongs to a cgroup namespace; run in the host's");
    id = status.st_ino;
  }
  return cgroup;
}

Status MakeBpffsDir(const std::string& path) {
  std::filesystem::path existing = path;
  std::error_code ignored;
  while (existing.has_relative_path() && !std::filesystem::exists(existing, ignored)) existing = existing.parent_path();
  struct statfs mount {};
  if (::statfs(existing.c_str(), &mount) != 0) return Errno(errno, "examine " + existing.string());
  if (mount.f_type != BPF_FS_MAGIC)
    return FailedPrecondition(
        fmt::format("{} does not lie on a bpf file system; run: mount -t bpf bpf {}", path, existing.string()));
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Errno(error.value(), "make " + path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  return error ? Errno(error.value(), "restrict " + path) : Ok();
}

Result<BpfLinks> BpfLinks::Attach(const PolicyObject& object, const CgroupRef& root, const std::string& links_dir) {
  BULKHEAD_RETURN_IF_ERROR(MakeBpffsDir(links_dir));
  BpfLinks links;
  for (const ProgramSpec& program : kPrograms) {
    const int program_fd = object.ProgramFd(program.name);
    const std::string pin = links_dir + "/" + program.name;
    UniqueFd fd(bpf_obj_get(pin.c_str()));
    if (!fd.valid() && errno != ENOENT) return Errno(errno, "open link " + pin);
    if (fd.valid()) {
      BULKHEAD_ASSIGN(const uint64_t cgroup_id, LinkedCgroup(fd.get()));
      if (cgroup_id == root.id) {
        if (bpf_link_update(fd.get(), program_fd, nullptr) != 0)
          return Errno(errno, fmt::format("replace program {} of link {}", program.name, pin));
        links.links_.push_back({program.name, pin, std::move(fd)});
        continue;
      }
    }
    // The new link stands before the old one goes.
    BULKHEAD_ASSIGN(UniqueFd made, MakeLink(program, program_fd, root));
    if (fd.valid() && ::unlink(pin.c_str()) != 0) return Errno(errno, "remove stale link " + pin);
    if (bpf_obj_pin(made.get(), pin.c_str()) != 0) return Errno(errno, "pin link " + pin);
    links.links_.push_back({program.name, pin, std::move(made)});
  }
  return links;
}

Status BpfLinks::Check(uint64_t cgroup_id) const {
  if (links_.size() != kPrograms.size()) return FailedPrecondition("no program is attached");
  for (const Link& link : links_) {
    BULKHEAD_ASSIGN(const uint64_t attached, LinkedCgroup(link.fd.get()));
    if (attached != cgroup_id)
      return FailedPrecondition(fmt::format("program {} is not attached to the top cgroup: {}", link.program,
                                            attached == 0 ? "its link is detached" : "its link is of another cgroup"));
    if (::access(link.pin.c_str(), F_OK) != 0)
      return FailedPrecondition(fmt::format("program {} is attached but its pin {} is gone", link.program, link.pin));
  }
  return Ok();
}

std::map<std::string, uint32_t> BpfLinks::ProgramIds() const {
  std::map<std::string, uint32_t> ids;
  for (const Link& link : links_) {
    bpf_link_info info{};
    uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(link.fd.get(), &info, &length) == 0) ids[link.program] = info.prog_id;
  }
  return ids;
}

}  // namespace bulkhead
