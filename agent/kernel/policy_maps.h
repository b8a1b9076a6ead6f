// The data plane as the engine sees it. Verdicts live in the kernel and go on without this process.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/compiled_policy.h"
#include "agent/model/task_binding.h"
#include "agent/model/usage.h"

namespace bulkhead {

struct MapUse {
  std::string map;
  uint64_t used = 0;
  uint64_t capacity = 0;
};

// Core thread only. Every change is visible to the next packet when the call returns.
class PolicyMaps {
 public:
  virtual ~PolicyMaps() = default;

  // The programs are attached to Bulkhead's top cgroup as it is now; else FailedPrecondition naming what is missing
  // and, where another program forbids ours, that cgroup. Cheap enough for every reconcile tick.
  virtual Status CheckAttached() = 0;
  // Attaches what CheckAttached misses, for a top cgroup that was made anew. All attached already = ok.
  virtual Status Attach() = 0;

  // All entries, or none: counted against capacity first (ResourceExhausted). An id in use is AlreadyExists.
  virtual Status InstallPolicy(uint32_t policy_id, const CompiledPolicy& policy) = 0;
  virtual Status RetirePolicy(uint32_t policy_id) = 0;                      // unknown id = ok
  virtual Result<std::map<uint32_t, CompiledPolicy::Hash>> Policies() = 0;  // installed whole

  // Judges the cgroup's packets by the policy from now on. fresh: the slot's counters restart at zero.
  virtual Status BindTask(uint64_t cgroup_id, const TaskBinding& binding, bool fresh) = 0;
  virtual Status UnbindTask(uint64_t cgroup_id) = 0;  // its packets are dropped from now on; unknown = ok
  virtual Result<std::map<uint64_t, TaskBinding>> Bindings() = 0;

  virtual Status SetAddress(const IpAddress& address, uint64_t cgroup_id) = 0;
  virtual Status ClearAddress(const IpAddress& address) = 0;  // unknown = ok
  virtual Result<std::map<IpAddress, uint64_t>> Addresses() = 0;

  virtual Result<NetworkCounters> ReadCounters(uint32_t slot) = 0;
  virtual uint32_t MaxTasks() const = 0;  // slots are 0 … MaxTasks()-1
  virtual std::vector<MapUse> Use() = 0;
};

}  // namespace bulkhead
