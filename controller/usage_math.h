// Arithmetic on Usage messages. Traffic and drops are matched by direction and scope or reason, whatever their order.
#pragma once

#include <string>

#include "bulkhead/v1/usage.pb.h"

namespace bulkhead {

// The first counter of `now` that is below `before`, with both values; empty when none is.
std::string WentDown(const v1::Usage& before, const v1::Usage& now);
// Same counters and gauges.
bool SameUsage(const v1::Usage& a, const v1::Usage& b);

void AddCounters(v1::Usage& total, const v1::Usage& usage);
void AddGauges(v1::Usage& total, const v1::Usage& usage);
// Two ledgers' views of one stream, `newer` read later: the larger of each counter, the sum of memory_byte_seconds,
// the newer gauges.
v1::Usage Merge(const v1::Usage& older, const v1::Usage& newer);

}  // namespace bulkhead
