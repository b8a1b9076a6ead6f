// Time as an interface, so that tests own it. Intervals come from Boot (CLOCK_BOOTTIME, which counts suspend and never
// jumps); wall time is a label only.
#pragma once

#include <chrono>

namespace bulkhead {

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;
using BootTime = std::chrono::nanoseconds;  // since boot

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime Wall() const = 0;
  virtual BootTime Boot() const = 0;
};

class SystemClock final : public Clock {
 public:
  WallTime Wall() const override;
  BootTime Boot() const override;
};

}  // namespace bulkhead
