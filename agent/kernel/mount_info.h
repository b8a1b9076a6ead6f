// The mounts of a process: /proc/PID/mountinfo (proc(5)). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead {

struct MountLine {
  uint64_t id = 0;
  std::string root;  // the part of the file system that the mount shows; "/" = all of it
  std::string mount_point;
  std::string type;
  std::string source;
  std::vector<std::string> options;  // super options
};

// In the order of the text; lines that are not as they should be are left out.
std::vector<MountLine> ParseMountInfo(const std::string& mountinfo);

}  // namespace bulkhead
