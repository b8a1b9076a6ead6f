// Which disk lies under a path.
#pragma once

#include <string>

#include "agent/base/status.h"
#include "agent/model/disk_id.h"

namespace bulkhead {

struct DiskPlaces {
  std::string sysfs = "/sys";
  std::string mountinfo = "/proc/self/mountinfo";
};

// The whole disk of a device node, or of the file system that holds a file or directory: of a partition the disk that
// it is on; device-mapper, md and loop devices are disks themselves, on which the kernel limits as on any other. Of an
// overlay the disk of its upper layer. The error says what stands in the way: no such path, or a file system without a
// disk (tmpfs, nfs).
Result<DiskId> DiskUnder(const std::string& path, const DiskPlaces& places = {});

}  // namespace bulkhead
