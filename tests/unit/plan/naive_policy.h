// What policies mean, evaluated on the specs themselves: no compilation, no classes, no prefixes.
#pragma once

#include <vector>

#include "agent/model/network_policy.h"
#include "tests/support/evaluate.h"

namespace bulkhead::test {

bool NaiveAllows(const std::vector<const PolicySpec*>& selecting, Baseline baseline, const Flow& flow);
bool NaiveMayBind(const std::vector<const PolicySpec*>& selecting, uint8_t protocol, uint16_t port);

}  // namespace bulkhead::test
