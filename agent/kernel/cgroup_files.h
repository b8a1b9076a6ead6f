// Which control file carries a limit in cgroup v1 and v2, and how values are spelled there. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/status.h"
#include "agent/model/limits.h"

namespace bulkhead {

enum class Controller : uint8_t { kCpu, kMemory, kPids };
inline constexpr std::array kAllControllers = {Controller::kCpu, Controller::kMemory, Controller::kPids};
const char* ControllerName(Controller controller);  // "cpu", "memory", "pids"
Controller ControllerOf(LimitKind kind);

struct LimitFile {
  const char* value = nullptr;
  // v1 only: cpu.cfs_period_us beside the quota; memory.memsw.limit_in_bytes beside the memory limit (absent on kernels
  // without swap accounting). nullptr: there is none.
  const char* companion = nullptr;
};
LimitFile LimitFileOf(LimitKind kind, bool v2);

// What is written. ERANGE (kept as errno) for a weight outside 1..10000: v1 would clamp it in silence.
Result<std::string> LimitToText(LimitKind kind, bool v2, std::optional<uint64_t> value);
// What was read; `period` is what cpu.cfs_period_us says (v1, kCpuMax). Kernel defaults are nullopt.
Result<std::optional<uint64_t>> LimitFromText(LimitKind kind, bool v2, std::string_view text, uint64_t period = 0);
// What the kernel makes of a value: bytes are rounded down to pages; the default weight and a memory limit beyond what
// the kernel can count read back as "no limit". v1 shares keep every weight: shares = round(weight * 1024 / 100), and
// round(shares * 100 / 1024) gives the weight back (kernel/sched/core.c sched_weight_from_cgroup and its inverse).
std::optional<uint64_t> EffectiveLimit(LimitKind kind, std::optional<uint64_t> value, uint64_t page_size);

// The number after "key " at the start of a line: cpu.stat, memory.events, cgroup.events, memory.oom_control.
std::optional<uint64_t> StatField(std::string_view text, std::string_view key);

}  // namespace bulkhead
