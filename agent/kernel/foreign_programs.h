// BPF programs of others that have a say over the cgroups of tenants.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/kernel/bpf_links.h"
#include "agent/model/diagnosis.h"

namespace bulkhead {

// Programs on network, device and sysctl hooks of `root` and of every cgroup above it, but those that are `ours` (hook
// → program id); from the root upwards. PermissionDenied without CAP_NET_ADMIN. Programs on cgroups below are the
// tasks' own business: they can only take away.
Result<std::vector<CgroupProgram>> FindForeignPrograms(const CgroupRef& root,
                                                       const std::map<std::string, uint32_t>& ours);

}  // namespace bulkhead
