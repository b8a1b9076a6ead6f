// Which of the kernel's two ways to share disks by weight is at work on this host.
#pragma once

#include <string>

#include "agent/base/status.h"

namespace bulkhead {

struct IoWeightWays {
  bool bfq = false;      // some disk is scheduled by bfq
  bool io_cost = false;  // io.cost is enabled for some disk (cgroup v2 only)
};

// `block`: /sys/block. `cost_file`: io.cost.qos at the top of cgroup2; it need not be there.
IoWeightWays FindIoWeightWays(const std::string& block, const std::string& cost_file);

}  // namespace bulkhead
