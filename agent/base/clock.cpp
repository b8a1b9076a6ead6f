#include "agent/base/clock.h"

#include <ctime>

namespace bulkhead {
namespace {

std::chrono::nanoseconds Read(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

WallTime SystemClock::Wall() const { return WallTime(Read(CLOCK_REALTIME)); }
BootTime SystemClock::Boot() const { return Read(CLOCK_BOOTTIME); }

}  // namespace bulkhead
