// Which control file carries a limit in cgroup v1 and v2, and how values are spelled there. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/status.h"
#include "agent/kernel/cgroup_files.h"
#include "agent/model/limits.h"

namespace bulkhead {

Controller ControllerOf(LimitKind kind);

enum class Spelling : uint8_t {
  kQuotaAndPeriod,  // "50000 100000"; "max 100000"
  kQuota,           // v1: "50000" of the period in the companion; "-1"
  kWeight,          // "100"; of I/O also "default 100"
  // v1: 1024 is a weight of 100. Every weight is kept: shares = round(weight * 1024 / 100), and round(shares * 100 /
  // 1024) gives it back (kernel/sched/core.c sched_weight_from_cgroup and its inverse).
  kShares,
  kBfqWeight,   // "100"; see BfqFromWeight
  kOrMax,       // "4096"; "max"
  kBytesV1,     // "4096"; "-1" is read back as the largest number that the kernel can count
  kPlain,       // "4096"; 0 is the default
  kList,        // "0-3,7"; empty: all
  kDiskAndKey,  // "254:0 rbps=1048576"; "254:0 rbps=max"
  kDisk,        // v1: "254:0 1048576"; "254:0 0"
};

struct LimitFile {
  const char* value = nullptr;  // nullptr: this cgroup version has none. {} stands for the size of huge pages
  Spelling spelling{};
  // v1 only: cpu.cfs_period_us beside the quota; memory.memsw.limit_in_bytes beside memory.limit_in_bytes, and the
  // other way round (absent on kernels without swap accounting). nullptr: there is none.
  const char* companion = nullptr;
};
LimitFile LimitFileOf(LimitKind kind, bool v2);
LimitFile BfqWeightFile(bool v2);
std::string FileNameOf(const LimitFile& file, const LimitId& id);

// What is written. ERANGE (kept as errno) for a weight outside 1..10000: v1 would clamp it in silence.
Result<std::string> LimitToText(const LimitId& id, const LimitFile& file, const std::optional<LimitValue>& value);
// What was read; `period` is what cpu.cfs_period_us says (v1, kCpuMax). Kernel defaults are nullopt.
Result<std::optional<LimitValue>> LimitFromText(const LimitId& id, const LimitFile& file, std::string_view text,
                                                uint64_t period = 0);

}  // namespace bulkhead
