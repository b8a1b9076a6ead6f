#include "agent/plan/interval_set.h"

#include <algorithm>

namespace bulkhead {
namespace {

// Adds what of `range` the sorted, disjoint intervals of its protocol do not cover yet.
void AddUncovered(std::vector<Interval>& sorted, const Interval& range) {
  std::vector<Interval> pieces;
  uint32_t next = range.low;
  for (const Interval& held : sorted) {
    if (held.protocol != range.protocol || held.high < next) continue;
    if (held.low > range.high) break;
    if (held.low > next) {
      pieces.push_back(range);
      pieces.back().low = static_cast<uint16_t>(next);
      pieces.back().high = static_cast<uint16_t>(held.low - 1);
    }
    next = held.high + 1U;
  }
  if (next <= range.high) {
    pieces.push_back(range);
    pieces.back().low = static_cast<uint16_t>(next);
  }
  sorted.insert(sorted.end(), pieces.begin(), pieces.end());
  std::sort(sorted.begin(), sorted.end(), [](const Interval& a, const Interval& b) {
    return a.protocol != b.protocol ? a.protocol < b.protocol : a.low < b.low;
  });
}

// Sorted input. Neighbours of one rule become one.
std::vector<Interval> JoinNeighbours(const std::vector<Interval>& sorted) {
  std::vector<Interval> joined;
  for (const Interval& interval : sorted) {
    if (!joined.empty() && joined.back().protocol == interval.protocol && joined.back().rule == interval.rule &&
        joined.back().high + 1U == interval.low)
      joined.back().high = interval.high;
    else
      joined.push_back(interval);
  }
  return joined;
}

}  // namespace

std::vector<Interval> MergePorts(const std::vector<AllowedPorts>& rules) {
  std::vector<Interval> merged;
  for (const AllowedPorts& allowed : rules) {
    const Interval everything{.allow = true, .rule = allowed.rule};
    if (allowed.ports->empty()) return {everything};
    std::vector<PortRange> ranges = *allowed.ports;
    std::sort(ranges.begin(), ranges.end());
    for (const PortRange& range : ranges) {
      const Interval interval{range.protocol, true, range.low, range.high, allowed.rule};
      if (interval == everything) return {everything};
      AddUncovered(merged, interval);
    }
  }
  return JoinNeighbours(merged);
}

}  // namespace bulkhead
