// Faults on demand for the fakes: one operation that fails, the n-th change that fails, or a crash at the n-th change.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "agent/base/status.h"

namespace bulkhead {

// Thrown in place of (or right after) a change: the process "died" there. The fakes live on, as a kernel does.
struct SimulatedCrash {};

// Counts changes over all fakes that share it. Numbers are relative to the call that arms: 1 is the next change.
class StepCounter {
 public:
  void CrashBefore(uint64_t n) { crash_before_ = count_ + n; }
  void CrashAfter(uint64_t n) { crash_after_ = count_ + n; }
  void FailAt(uint64_t n, int error) {
    fail_at_ = count_ + n;
    error_ = error;
  }
  void Disarm() { crash_before_ = crash_after_ = fail_at_ = 0; }
  uint64_t count() const { return count_; }

  // For a fake: before a change, and after it was made.
  Status Before(const std::string& what);
  void After() const;

 private:
  uint64_t count_ = 0;
  uint64_t crash_before_ = 0;
  uint64_t crash_after_ = 0;
  uint64_t fail_at_ = 0;
  int error_ = 0;
};

// What a fake holds to fail when told to. Operations are named by the fake's header.
class Faults {
 public:
  explicit Faults(StepCounter* steps) : steps_(steps) {}

  void FailNext(const std::string& operation, int error) { queued_[operation].push_back(error); }
  // `what` goes into the message: "acme/web: write memory.max".
  Status Read(const std::string& operation, const std::string& what);
  template <typename Change>
  Status Mutate(const std::string& operation, const std::string& what, Change change) {
    BULKHEAD_RETURN_IF_ERROR(Read(operation, what));
    if (steps_) BULKHEAD_RETURN_IF_ERROR(steps_->Before(what));
    BULKHEAD_RETURN_IF_ERROR(change());
    if (steps_) steps_->After();
    return Ok();
  }

 private:
  StepCounter* steps_;
  std::map<std::string, std::deque<int>> queued_;
};

}  // namespace bulkhead
