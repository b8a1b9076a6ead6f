// The controllers that we use, and the text of their files. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/base/status.h"

namespace bulkhead {

enum class Controller : uint8_t { kCpu, kCpuset, kMemory, kPids, kIo, kHugetlb };
inline constexpr std::array kAllControllers = {Controller::kCpu,  Controller::kCpuset, Controller::kMemory,
                                               Controller::kPids, Controller::kIo,     Controller::kHugetlb};
const char* ControllerName(Controller controller, bool v2);  // "cpu"; "io" in v2 and "blkio" in v1
// Without it there is no tenant to speak of. The others are used where the host has them.
bool IsRequired(Controller controller);

// The whole text as a number.
Result<uint64_t> NumberOf(std::string_view text);
// The number after "key " at the start of a line: cpu.stat, memory.events, cgroup.events, memory.oom_control.
std::optional<uint64_t> StatField(std::string_view text, std::string_view key);

}  // namespace bulkhead
