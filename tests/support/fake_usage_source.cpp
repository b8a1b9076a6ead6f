#include "tests/support/fake_usage_source.h"

#include <cerrno>

namespace bulkhead {

Status FakeUsageSource::Track(const CgroupPath& path, std::optional<uint32_t> slot) {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("track", path.value + ": open counters"));
  if (!readings_.contains(path)) return Errno(ENOENT, path.value + ": open counters");
  tracked_.try_emplace(path, slot);
  return Ok();
}

Result<UsageReading> FakeUsageSource::Read(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("read", path.value + ": read counters"));
  const auto tracked = tracked_.find(path);
  if (tracked == tracked_.end()) return NotFound(path.value + ": not tracked");
  const auto found = readings_.find(path);
  if (found == readings_.end()) return NotFound(path.value + ": the cgroup is gone");
  UsageReading reading = found->second;
  reading.at = clock_.Boot();
  if (!tracked->second) reading.network = {};
  return reading;
}

}  // namespace bulkhead
