#include "agent/kernel/disks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/kernel/io_limits.h"
#include "agent/kernel/mount_info.h"

namespace bulkhead {
namespace {

constexpr int kMaxLayers = 8;  // of overlays on overlays

struct Place {
  bool is_device = false;
  DiskId device;  // of the node itself, or of the file system; major 0: the file system has none of its own
  uint64_t mount = 0;
};

Result<Place> Look(const std::string& path) {
  struct statx info {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE | STATX_MNT_ID, &info) != 0) return Errno(errno, path);
  if (S_ISBLK(info.stx_mode)) return Place{true, {info.stx_rdev_major, info.stx_rdev_minor}, 0};
  return Place{false, {info.stx_dev_major, info.stx_dev_minor}, info.stx_mnt_id};
}

// A partition's directory lies in that of its disk.
Result<DiskId> WholeDisk(const DiskId& device, const DiskPlaces& places) {
  std::error_code error;
  const std::filesystem::path link = fmt::format("{}/dev/block/{}", places.sysfs, device.ToString());
  const std::filesystem::path directory = std::filesystem::canonical(link, error);
  if (error) return NotFound(fmt::format("the kernel knows no disk {}", device.ToString()));
  if (!std::filesystem::exists(directory / "partition", error)) return device;
  BULKHEAD_ASSIGN(const std::string disk, ReadFile((directory.parent_path() / "dev").string()));
  return DiskFromText(Trim(disk));
}

std::string Option(const MountLine& mount, const std::string& key) {
  for (const std::string& option : mount.options)
    if (option.starts_with(key + "=")) return option.substr(key.size() + 1);
  return "";
}

// Where to look next for the disk of a file system that has no device number of its own.
Result<std::string> Behind(const std::string& path, uint64_t mount_id, const DiskPlaces& places) {
  BULKHEAD_ASSIGN(const std::string text, ReadFile(places.mountinfo));
  const std::vector<MountLine> mounts = ParseMountInfo(text);
  const auto mount = std::find_if(mounts.begin(), mounts.end(), [&](const MountLine& m) { return m.id == mount_id; });
  if (mount == mounts.end()) return FailedPrecondition(path + ": its mount is not in " + places.mountinfo);
  if (mount->type == "overlay") {
    const std::string upper = Option(*mount, "upperdir");
    if (!upper.empty()) return upper;
    return FailedPrecondition(path + ": is on a read-only overlay: name a path on the disk itself");
  }
  if (mount->source.starts_with("/")) return mount->source;  // btrfs: its subvolumes have numbers of their own
  return FailedPrecondition(fmt::format("{}: is on {}, which is on no disk", path, mount->type));
}

}  // namespace

Result<DiskId> DiskUnder(const std::string& path, const DiskPlaces& places) {
  std::string at = path;
  for (int layer = 0; layer < kMaxLayers; ++layer) {
    BULKHEAD_ASSIGN(const Place place, Look(at));
    if (place.is_device || place.device.major != 0) return WholeDisk(place.device, places);
    BULKHEAD_ASSIGN(at, Behind(at, place.mount, places));
  }
  return FailedPrecondition(path + ": too many overlays on each other");
}

}  // namespace bulkhead
