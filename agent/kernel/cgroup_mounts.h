// Where this host's cgroup hierarchies are mounted: cgroup2 alone (unified), or v1 controllers beside it (hybrid).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/kernel/cgroup_files.h"

namespace bulkhead {

struct CgroupHierarchy {
  bool v2 = false;
  std::string mount_point;
  std::string mount_root;               // the part of the hierarchy that the mount shows; "/" = all of it
  std::vector<Controller> controllers;  // of those that we use
  UniqueFd top;                         // the mount point, opened

  bool Carries(Controller controller) const;
};

class CgroupMounts {
 public:
  // FailedPrecondition, with the next step, when no cgroup2 is mounted or this is not the host's cgroup namespace
  // (levels of the tree that BPF counts would be hidden from us).
  static Result<CgroupMounts> Discover();
  // The same from a mountinfo text; the mount points are opened and checked to be cgroup file systems.
  static Result<CgroupMounts> FromMountInfo(const std::string& mountinfo);

  // The v1 hierarchies in use, that of pids first (see ProcessMover), then cgroup2, always last.
  const std::vector<CgroupHierarchy>& all() const { return hierarchies_; }
  const CgroupHierarchy& unified() const { return hierarchies_.back(); }
  bool hybrid() const { return hierarchies_.size() > 1; }
  const CgroupHierarchy* Carrier(Controller controller) const;  // nullptr: no hierarchy has it

 private:
  std::vector<CgroupHierarchy> hierarchies_;
};

}  // namespace bulkhead
