// What this kernel offers beyond the least that Bulkhead needs, found out by doing it: version numbers say little about
// kernels that distributions configure and patch.
#pragma once

#include <vector>

#include "agent/kernel/libcgroup_tree.h"
#include "agent/model/diagnosis.h"

namespace bulkhead {

// Tries each feature once and undoes what that needed; nothing stays attached and no task notices. Always the same
// names in the same order:
//   btf              the kernel describes its own types
//   cgroup.kill      a cgroup's processes are killed at once
//   cgroup.freeze    a cgroup's processes are stopped and go on
//   psi              pressure of a cgroup: who waits, and for what
//   memory.reclaim   memory of a cgroup is reclaimed before its limit is lowered
//   sock_ops         BPF on the life of TCP sockets
//   cgroup_iterator  BPF reads the counters of many cgroups in one go
//   tcx              BPF links on network interfaces
//   lsm_cgroup       BPF refuses calls of the processes in a cgroup, such as packet sockets
// A feature that this process may not try for want of a capability does not work for it; its detail says so.
std::vector<Feature> ProbeFeatures(const LibcgroupTree& tree);

}  // namespace bulkhead
