// How the data plane knows a task: keyed by the task's cgroup id.
#pragma once

#include <cstdint>

namespace bulkhead {

struct TaskBinding {
  uint64_t tenant_cgroup_id = 0;
  uint32_t policy_id = 0;
  uint32_t slot = 0;  // of the counters
  bool operator==(const TaskBinding&) const = default;
};

}  // namespace bulkhead
