// What the engine has done since it began, for those who watch it.
#pragma once

#include <array>
#include <cstdint>

#include "agent/base/histogram.h"
#include "agent/plan/step.h"

namespace bulkhead {

struct StepCounts {
  std::array<uint64_t, kStepKinds.size()> done{};  // on the kernel; those taken back count, too
  uint64_t failed = 0;
};

struct EngineStats {
  StepCounts steps;
  uint64_t repairs = 0;  // steps that Reconcile had to do
  Histogram apply{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};  // Apply and Delete
  Histogram reconcile{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
};

}  // namespace bulkhead
