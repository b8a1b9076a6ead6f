#include "agent/kernel/libcgroup.h"

#include <libcgroup.h>
#include <mntent.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

namespace bulkhead {
namespace {

struct CgroupDeleter {
  void operator()(cgroup* group) const noexcept { cgroup_free(&group); }
};
using CgroupHandle = std::unique_ptr<cgroup, CgroupDeleter>;

// ECGOTHER hides an errno that must be fetched at once; after any other code the library's errno is stale.
Status FromLibcgroup(int code, const std::string& what) {
  if (code == 0) return Ok();
  if (code == ECGOTHER && cgroup_get_last_errno() != 0) return Errno(cgroup_get_last_errno(), what);
  if (code == ECGNONEMPTY) return Errno(EBUSY, what);
  return FailedPrecondition(fmt::format("{}: libcgroup: {} ({})", what, cgroup_strerror(code), code));
}

Result<CgroupHandle> NewHandle(const std::string& name, const std::vector<const char*>& controllers) {
  CgroupHandle group(cgroup_new_cgroup(name.c_str()));
  if (!group) return Errno(ENOMEM, "cgroup_new_cgroup");
  for (const char* controller : controllers) {
    if (cgroup_add_controller(group.get(), controller) == nullptr) return Errno(ENOMEM, "cgroup_add_controller");
  }
  return group;
}

// libcgroup gives up on a mount without cgroup.controllers, such as a single file that a service manager binds into the
// mount namespace of a unit, and keeps neither its name nor the errno. Empty: there is none.
std::string MountThatIsNoCgroup() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> mounts(::setmntent("/proc/self/mounts", "re"), ::endmntent);
  mntent entry;
  char line[4096];
  while (mounts && ::getmntent_r(mounts.get(), &entry, line, sizeof(line)) != nullptr) {
    const std::string where = entry.mnt_dir;
    if (entry.mnt_type == std::string("cgroup2") && ::access((where + "/cgroup.controllers").c_str(), R_OK) != 0)
      return where;
  }
  return "";
}

}  // namespace

Status InitLibcgroup() {
  static const int code = cgroup_init();
  static const int error = code == ECGOTHER ? cgroup_get_last_errno() : 0;
  if (error != 0) return Errno(error, "read the cgroup mount table");
  if (const std::string where = code == ECGOTHER ? MountThatIsNoCgroup() : ""; !where.empty())
    return FailedPrecondition(
        fmt::format("read the cgroup mount table: the cgroup2 mount {} is no cgroup, and libcgroup stops "
                    "at it: unmount it, or, where systemd makes it, set MemoryPressureWatch=off",
                    where));
  return FromLibcgroup(code, "read the cgroup mount table");
}

Status LibcgroupCreate(const std::string& name, const std::vector<const char*>& controllers) {
  if (controllers.empty()) return Internal(fmt::format("{}: make a cgroup without controllers", name));
  BULKHEAD_RETURN_IF_ERROR(InitLibcgroup());
  BULKHEAD_ASSIGN(const CgroupHandle group, NewHandle(name, controllers));
  return FromLibcgroup(cgroup_create_cgroup(group.get(), /*ignore_ownership=*/1), "make cgroup");
}

Status LibcgroupDelete(const std::string& name, const char* controller) {
  BULKHEAD_RETURN_IF_ERROR(InitLibcgroup());
  BULKHEAD_ASSIGN(const CgroupHandle group, NewHandle(name, {controller}));
  const Status status = FromLibcgroup(cgroup_delete_cgroup_ext(group.get(), CGFLAG_DELETE_EMPTY_ONLY),
                                      fmt::format("remove cgroup ({})", controller));
  return ErrnoOf(status) == ENOENT ? Ok() : status;
}

}  // namespace bulkhead
