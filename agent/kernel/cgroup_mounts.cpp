#include "agent/kernel/cgroup_mounts.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

constexpr ino_t kHostCgroupNamespace = 0xEFFFFFFB;  // PROC_CGROUP_INIT_INO, include/linux/proc_ns.h

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

// A mount can be hidden by a later one on the same path: only what is really there counts.
UniqueFd OpenIfCgroup(const CgroupMountLine& line) {
  auto fd = OpenDir(line.mount_point);
  if (!fd.ok()) return UniqueFd();
  struct statfs fs {};
  const auto magic = line.v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
  if (::fstatfs(fd->get(), &fs) != 0 || fs.f_type != magic) return UniqueFd();
  return *std::move(fd);
}

}  // namespace

bool CgroupHierarchy::Carries(Controller controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

std::vector<CgroupMountLine> ParseCgroupMounts(const std::string& mountinfo) {
  std::vector<CgroupMountLine> lines;
  std::istringstream in(mountinfo);
  for (std::string text; std::getline(in, text);) {
    // id parent major:minor root mount-point options [optional fields…] - type source super-options (proc(5))
    const std::vector<std::string> words = Split(text, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    const std::string& type = *(dash + 1);
    if (type != "cgroup" && type != "cgroup2") continue;
    lines.push_back({.v2 = type == "cgroup2",
                     .mount_point = Unescape(words[4]),
                     .mount_root = Unescape(words[3]),
                     .options = Split(*(dash + 3), ',')});
  }
  return lines;
}

Result<CgroupMounts> CgroupMounts::FromMountInfo(const std::string& mountinfo) {
  CgroupMounts mounts;
  std::optional<CgroupHierarchy> unified;
  for (const CgroupMountLine& line : ParseCgroupMounts(mountinfo)) {
    CgroupHierarchy found{.v2 = line.v2, .mount_point = line.mount_point, .mount_root = line.mount_root};
    for (Controller controller : kAllControllers) {
      const bool named =
          std::find(line.options.begin(), line.options.end(), ControllerName(controller)) != line.options.end();
      if (!line.v2 && named && mounts.Carrier(controller) == nullptr) found.controllers.push_back(controller);
    }
    if (line.v2 ? unified.has_value() : found.controllers.empty()) continue;
    found.top = OpenIfCgroup(line);
    if (!found.top.valid()) continue;
    if (line.v2) {
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
  const std::vector<std::string> names = Split(Trim(*offered), ' ');
  for (Controller controller : kAllControllers) {
    if (mounts.Carrier(controller) == nullptr &&
        std::find(names.begin(), names.end(), ControllerName(controller)) != names.end())
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
