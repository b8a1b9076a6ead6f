// Resource limits as plain values. Absent means "not limited by this level"; ancestors still apply.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/status.h"

namespace bulkhead {

// What can be limited. The kernel file that carries it (cgroup v2 or v1) is kernel/'s business.
enum class LimitKind : uint8_t {
  kCpuMax,     // CPU time in microseconds per 100 ms period; 1 CPU = 100000. 1000 (10m) and up: the kernel's floor
  kCpuWeight,  // 1..10000, kernel default 100
  kMemoryMax,  // bytes
  kPidsMax,    // processes and threads
};
inline constexpr std::array kAllLimits = {LimitKind::kCpuMax, LimitKind::kCpuWeight, LimitKind::kMemoryMax,
                                          LimitKind::kPidsMax};
inline constexpr uint64_t kCpuPeriodUsec = 100'000;
inline constexpr uint64_t kDefaultCpuWeight = 100;

// The limit's name in manifests and in v2 files: "cpu.max", "cpu.weight", "memory.max", "pids.max".
const char* LimitName(LimitKind kind);

struct Limits {
  // nullopt = unlimited (weights: the kernel's default).
  std::optional<uint64_t> cpu_max_usec;
  std::optional<uint64_t> cpu_weight;
  std::optional<uint64_t> memory_max_bytes;
  std::optional<uint64_t> pids_max;

  const std::optional<uint64_t>& Get(LimitKind kind) const;
  std::optional<uint64_t>& Get(LimitKind kind);
  bool operator==(const Limits&) const = default;
};

// Ranges only; `field` prefixes the path in the message ("limits.cpu.max").
Status ValidateLimits(const Limits& limits, const std::string& field);

}  // namespace bulkhead
