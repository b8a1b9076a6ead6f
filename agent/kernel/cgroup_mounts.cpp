#include "agent/kernel/cgroup_mounts.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/kernel/mount_info.h"

namespace bulkhead {
namespace {

constexpr ino_t kHostCgroupNamespace = 0xEFFFFFFB;  // PROC_CGROUP_INIT_INO, include/linux/proc_ns.h

// A mount can be hidden by a later one on the same path: only what is really there counts.
UniqueFd OpenIfCgroup(const CgroupHierarchy& hierarchy) {
  auto fd = OpenDir(hierarchy.mount_point);
  if (!fd.ok()) return UniqueFd();
  struct statfs fs {};
  const auto magic = hierarchy.v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
  if (::fstatfs(fd->get(), &fs) != 0 || fs.f_type != magic) return UniqueFd();
  return *std::move(fd);
}

}  // namespace

bool CgroupHierarchy::Carries(Controller controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

Result<CgroupMounts> CgroupMounts::FromMountInfo(const std::string& mountinfo) {
  CgroupMounts mounts;
  std::optional<CgroupHierarchy> unified;
  for (const MountLine& line : ParseMountInfo(mountinfo)) {
    if (line.type != "cgroup" && line.type != "cgroup2") continue;
    CgroupHierarchy found{.v2 = line.type == "cgroup2", .mount_point = line.mount_point, .mount_root = line.root};
    for (Controller controller : kAllControllers) {  // v1 names them in the options
      const bool named =
          std::find(line.options.begin(), line.options.end(), ControllerName(controller, false)) != line.options.end();
      if (!found.v2 && named && mounts.Carrier(controller) == nullptr) found.controllers.push_back(controller);
    }
    if (found.v2 ? unified.has_value() : found.controllers.empty()) continue;
    found.top = OpenIfCgroup(found);
    if (!found.top.valid()) continue;
    if (found.v2) {
      unified = std::move(found);
    } else {
      mounts.hierarchies_.push_back(std::move(found));
    }
  }
  if (!unified)
    return FailedPrecondition(
        "no cgroup2 file system is mounted; boot with systemd.unified_cgroup_hierarchy=1, or, beside cgroup v1, "
        "\"mount -t cgroup2 none /sys/fs/cgroup/unified\"");
  auto offered = ReadFileAt(unified->top.get(), "cgroup.controllers");
  if (!offered.ok()) return Annotate(offered.status(), unified->mount_point);
  const std::string names = " " + Trim(*offered) + " ";
  for (Controller controller : kAllControllers) {
    if (mounts.Carrier(controller) == nullptr &&
        names.find(fmt::format(" {} ", ControllerName(controller, true))) != std::string::npos)
      unified->controllers.push_back(controller);
  }
  std::stable_sort(mounts.hierarchies_.begin(), mounts.hierarchies_.end(), [](const auto& a, const auto& b) {
    return a.Carries(Controller::kPids) && !b.Carries(Controller::kPids);
  });
  mounts.hierarchies_.push_back(*std::move(unified));
  return mounts;
}

Result<CgroupMounts> CgroupMounts::Discover() {
  struct stat ns {};
  if (::stat("/proc/self/ns/cgroup", &ns) == 0 && ns.st_ino != kHostCgroupNamespace)
    return FailedPrecondition(
        "this process is in a cgroup namespace of its own, so the host's cgroup levels are hidden; run it in the "
        "host's cgroup namespace (containers: --cgroupns=host)");
  BULKHEAD_ASSIGN(const std::string text, ReadFile("/proc/self/mountinfo"));
  return FromMountInfo(text);
}

const CgroupHierarchy* CgroupMounts::Carrier(Controller controller) const {
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    if (hierarchy.Carries(controller)) return &hierarchy;
  }
  return nullptr;
}

}  // namespace bulkhead
