// UsageSource on the kernel: resource counters from cgroup files, network counters from the data plane.
#pragma once

#include <map>
#include <optional>

#include "agent/kernel/cgroup_meter.h"
#include "agent/kernel/policy_maps.h"
#include "agent/kernel/usage_source.h"

namespace bulkhead {

// Core thread only. Holds up to 7 descriptors per tracked cgroup. `tree`, `maps` and `clock` outlive it.
class KernelUsage final : public UsageSource {
 public:
  KernelUsage(const LibcgroupTree& tree, PolicyMaps& maps, const Clock& clock)
      : tree_(tree), maps_(maps), clock_(clock) {}

  Status Track(const CgroupPath& path, std::optional<uint32_t> slot) override;
  void Forget(const CgroupPath& path) override { tracked_.erase(path); }
  Result<UsageReading> Read(const CgroupPath& path) override;

 private:
  struct Tracked {
    CgroupMeter meter;
    std::optional<uint32_t> slot;
  };
  const LibcgroupTree& tree_;
  PolicyMaps& maps_;
  const Clock& clock_;
  std::map<CgroupPath, Tracked> tracked_;
};

}  // namespace bulkhead
