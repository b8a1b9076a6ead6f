// A snapshot in Prometheus' text format. Names follow its conventions: base units, _total for what only grows.
//
// What there is is bounded: a task has at most 9 counters and gauges, 8 limits, 3 of enforcement, and 34 of the
// network; a tenant at most 17; the node some 200. Series of the network appear when they first count something, except
// drops by policy, which are always there; limits that are not set are absent. No label holds a uid, a cgroup id or an
// address.
#pragma once

#include <memory>
#include <string>

#include "agent/metrics/snapshot.h"

namespace bulkhead {

// Family after family, so that a scrape of many tasks never is in memory as a whole.
class Exposition {
 public:
  explicit Exposition(std::shared_ptr<const MetricsSnapshot> snapshot) : snapshot_(std::move(snapshot)) {}

  // The next family as text; empty: that was all.
  std::string Next();

 private:
  std::shared_ptr<const MetricsSnapshot> snapshot_;
  size_t next_ = 0;
};

}  // namespace bulkhead
