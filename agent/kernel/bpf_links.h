// The pinned links that hold the programs at Bulkhead's top cgroup. They outlive this process: a link exists as long as
// its pin does. Never fork without exec while these descriptors are open (a child would keep a replaced link alive).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/kernel/bpf_object.h"

namespace bulkhead {

// A cgroup as the kernel knows it.
struct CgroupRef {
  UniqueFd fd;
  std::string path;
  uint64_t id = 0;     // inode
  uint32_t level = 0;  // steps below the hierarchy's top
};
// NotFound when there is none; FailedPrecondition when it is no cgroup2 directory, is the hierarchy's top, or is seen
// from inside a cgroup namespace (levels would be wrong).
Result<CgroupRef> OpenCgroup(const std::string& path);

// Makes the directory and those above it. FailedPrecondition with the mount command when it is not on a bpf mount.
Status MakeBpffsDir(const std::string& path);

class BpfLinks {
 public:
  // Brings every program to the cgroup. A pinned link that is there already gets the new program in one step; a stale
  // one (its cgroup is gone, or another) is replaced; a missing one is made. EPERM names the ancestor cgroup that holds
  // an exclusive program.
  static Result<BpfLinks> Attach(const PolicyObject& object, const CgroupRef& root, const std::string& links_dir);

  // FailedPrecondition naming the first program that is not attached to this cgroup or not pinned.
  Status Check(uint64_t cgroup_id) const;
  // Hook → id of the program there, of the links that stand.
  std::map<std::string, uint32_t> ProgramIds() const;

 private:
  struct Link {
    std::string program;
    std::string pin;
    UniqueFd fd;
  };
  std::vector<Link> links_;
};

}  // namespace bulkhead
