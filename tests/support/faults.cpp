#include "tests/support/faults.h"

namespace bulkhead {

Status StepCounter::Before(const std::string& what) {
  ++count_;
  if (count_ == crash_before_) throw SimulatedCrash{};
  if (count_ == fail_at_) return Errno(error_, what);
  return Ok();
}

void StepCounter::After() const {
  if (count_ == crash_after_) throw SimulatedCrash{};
}

Status Faults::Read(const std::string& operation, const std::string& what) {
  auto& queue = queued_[operation];
  if (queue.empty()) return Ok();
  const int error = queue.front();
  queue.pop_front();
  return Errno(error, what);
}

}  // namespace bulkhead
