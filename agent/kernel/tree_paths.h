// Small questions about places in the tree, for the parts of LibcgroupTree.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "agent/kernel/cgroup_mounts.h"
#include "agent/model/ids.h"

namespace bulkhead {

inline bool IsDirectory(const CgroupHierarchy& hierarchy, const std::string& cgroup) {
  struct stat info {};
  return ::fstatat(hierarchy.top.get(), cgroup.c_str(), &info, 0) == 0 && S_ISDIR(info.st_mode);
}

inline std::string Show(const CgroupPath& path) { return path.value.empty() ? "top cgroup" : path.value; }
inline std::string Parent(const std::string& cgroup) { return cgroup.substr(0, cgroup.rfind('/')); }
inline bool IsTask(const CgroupPath& path) { return path.value.find('/') != std::string::npos; }

}  // namespace bulkhead
