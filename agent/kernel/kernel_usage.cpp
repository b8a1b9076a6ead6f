#include "agent/kernel/kernel_usage.h"

#include <utility>

namespace bulkhead {

Status KernelUsage::Track(const CgroupPath& path, std::optional<uint32_t> slot) {
  if (tracked_.contains(path)) return Ok();
  BULKHEAD_ASSIGN(CgroupMeter meter, CgroupMeter::Open(tree_, path));
  tracked_.emplace(path, Tracked{std::move(meter), slot});
  return Ok();
}

Result<UsageReading> KernelUsage::Read(const CgroupPath& path) {
  const auto found = tracked_.find(path);
  if (found == tracked_.end()) return NotFound(path.value + ": not tracked");
  BULKHEAD_ASSIGN(UsageReading reading, found->second.meter.Read(clock_.Boot()));
  if (found->second.slot) {
    BULKHEAD_ASSIGN(reading.network, maps_.ReadCounters(*found->second.slot));
  }
  return reading;
}

}  // namespace bulkhead
