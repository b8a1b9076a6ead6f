// How long something took, counted by how long.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "agent/base/clock.h"

namespace bulkhead {

// Not for several threads at a time.
class Histogram {
 public:
  // Upper bounds in seconds, ascending, each inclusive; what takes longer than the last is counted beyond it.
  Histogram(std::initializer_list<double> bounds = {}) : bounds_(bounds), counts_(bounds.size() + 1) {}

  void Observe(double seconds) {
    size_t at = 0;
    while (at < bounds_.size() && seconds > bounds_[at]) ++at;
    ++counts_[at];
    sum_ += seconds;
  }

  const std::vector<double>& bounds() const { return bounds_; }
  const std::vector<uint64_t>& counts() const { return counts_; }  // one more than bounds; not cumulative
  double sum() const { return sum_; }                              // seconds

 private:
  std::vector<double> bounds_;
  std::vector<uint64_t> counts_;
  double sum_ = 0;
};

// Observes how long it lived.
class Timed {
 public:
  Timed(const Clock& clock, Histogram& histogram) : clock_(clock), histogram_(histogram), start_(clock.Boot()) {}
  ~Timed() { histogram_.Observe(std::chrono::duration<double>(clock_.Boot() - start_).count()); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  const Clock& clock_;
  Histogram& histogram_;
  BootTime start_;
};

}  // namespace bulkhead
