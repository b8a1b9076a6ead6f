// What can be seen of the host from where the agent stands.
#pragma once

#include <string>

#include "agent/kernel/bpf_policy.h"
#include "agent/kernel/features.h"
#include "agent/kernel/libcgroup_tree.h"
#include "agent/model/diagnosis.h"

namespace bulkhead {

// Kernel, limits, capabilities, programs of others and the disk of the state directory; the rest of the facts is for
// those who know it. A few dozen system calls, none that waits. Core thread only.
DiagnosisFacts LookOver(const LibcgroupTree& tree, const BpfPolicy& maps, const std::string& state_directory);

}  // namespace bulkhead
