// Limits that may be asked for, at random.
#pragma once

#include <random>

#include "agent/model/limits.h"

namespace bulkhead::test {

// Each kind with a probability of about a half; what ValidateLimits accepts, with CPUs 0-3 and nodes 0-1. Below a
// tenant that has `above`: nothing that its limits make meaningless.
Limits RandomLimits(std::mt19937& random, const Limits& above = {});

}  // namespace bulkhead::test
