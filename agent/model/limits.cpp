#include "agent/model/limits.h"

#include <fmt/format.h>

namespace bulkhead {
namespace {

struct Range {
  uint64_t low;
  uint64_t high;
  const char* why;
};

// Bounds that the kernel accepts: sched/core.c (quota ≥ 1 ms), cgroup-v2.rst (weight), PIDS_MAX, and LLONG_MAX for
// bytes.
Range RangeOf(LimitKind kind) {
  switch (kind) {
    case LimitKind::kCpuMax:
      return {1'000, 1'000'000 * kCpuPeriodUsec / 100, "10m (a hundredth of a CPU) to 10000 CPUs"};
    case LimitKind::kCpuWeight:
      return {1, 10'000, "1 to 10000"};
    case LimitKind::kMemoryMax:
      return {4'096, uint64_t{1} << 60, "4KiB to 1EiB"};
    case LimitKind::kPidsMax:
      return {1, 4'194'304, "1 to 4194304"};
  }
  return {0, 0, ""};
}

}  // namespace

const char* LimitName(LimitKind kind) {
  switch (kind) {
    case LimitKind::kCpuMax:
      return "cpu.max";
    case LimitKind::kCpuWeight:
      return "cpu.weight";
    case LimitKind::kMemoryMax:
      return "memory.max";
    case LimitKind::kPidsMax:
      return "pids.max";
  }
  return "?";
}

const std::optional<uint64_t>& Limits::Get(LimitKind kind) const { return const_cast<Limits*>(this)->Get(kind); }

std::optional<uint64_t>& Limits::Get(LimitKind kind) {
  switch (kind) {
    case LimitKind::kCpuWeight:
      return cpu_weight;
    case LimitKind::kMemoryMax:
      return memory_max_bytes;
    case LimitKind::kPidsMax:
      return pids_max;
    case LimitKind::kCpuMax:
      break;
  }
  return cpu_max_usec;
}

Status ValidateLimits(const Limits& limits, const std::string& field) {
  for (LimitKind kind : kAllLimits) {
    const auto& value = limits.Get(kind);
    const Range range = RangeOf(kind);
    if (value && (*value < range.low || *value > range.high))
      return InvalidArgument(fmt::format("{}.{}: out of range, use {}", field, LimitName(kind), range.why));
  }
  return Ok();
}

}  // namespace bulkhead
