// A clock that moves only when told.
#pragma once

#include "agent/base/clock.h"

namespace bulkhead {

class FakeClock final : public Clock {
 public:
  WallTime Wall() const override { return wall_; }
  BootTime Boot() const override { return boot_; }
  void Advance(std::chrono::nanoseconds by) {  // both
    wall_ += by;
    boot_ += by;
  }
  void JumpWall(std::chrono::nanoseconds by) { wall_ += by; }  // as when somebody sets the time

 private:
  WallTime wall_ = WallTime(std::chrono::seconds(1'750'000'000));
  BootTime boot_ = std::chrono::hours(1);
};

}  // namespace bulkhead
