// Reads the kernel's resource counters of one cgroup on descriptors that stay open.
#pragma once

#include <string>

#include "agent/base/clock.h"
#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/kernel/libcgroup_tree.h"
#include "agent/model/usage.h"

namespace bulkhead {

// At most 7 descriptors, no path lookups and no memory.stat: a reading is a handful of preads. Core thread only.
//
// CPU time comes from cgroup2's cpu.stat on every host: the kernel keeps it there without the cpu controller, so hybrid
// and unified hosts bill the same number. The rest comes from wherever the controller is. A counter whose file the
// kernel does not have (memory.peak before 5.19) reads 0.
// On hybrid hosts oom_kills and pids_failures are the cgroup's own: v1 does not add a task's to its tenant's.
class CgroupMeter {
 public:
  static Result<CgroupMeter> Open(const LibcgroupTree& tree, const CgroupPath& path);
  // Everything but the network. kNotFound when the cgroup was removed; a cgroup of the same name made since is another
  // one and is never read by this meter.
  Result<UsageReading> Read(BootTime now) const;

 private:
  bool cpu_v2_ = false;
  bool memory_v2_ = false;
  UniqueFd cpu_time_;      // cgroup2 cpu.stat; throttling too where the cpu controller is v2
  UniqueFd cpu_throttle_;  // v1 cpu.stat
  UniqueFd memory_now_;
  UniqueFd memory_peak_;
  UniqueFd memory_events_;  // memory.events, memory.oom_control
  UniqueFd pids_now_;
  UniqueFd pids_events_;
};

}  // namespace bulkhead
