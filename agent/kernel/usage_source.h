// Reads the kernel's counters of tasks and tenants on descriptors that are held open.
#pragma once

#include <optional>

#include "agent/base/status.h"
#include "agent/model/usage.h"

namespace bulkhead {

class UsageSource {
 public:
  virtual ~UsageSource() = default;
  // Opens the files of a cgroup (tenant or task). With a slot the data plane's counters are read too. Again = no-op.
  virtual Status Track(const CgroupPath& path, std::optional<uint32_t> slot) = 0;
  virtual void Forget(const CgroupPath& path) = 0;
  // kNotFound when the cgroup is gone or was never tracked.
  virtual Result<UsageReading> Read(const CgroupPath& path) = 0;
};

}  // namespace bulkhead
