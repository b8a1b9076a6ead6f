// What the families_*.cpp share. Not for other code: use exposition.h.
#pragma once

#include <prometheus/metric_family.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/histogram.h"
#include "agent/metrics/snapshot.h"

namespace bulkhead {

using MetricLabels = std::initializer_list<std::pair<const char*, std::string>>;

// The metrics of one family, one after the other.
class FamilyWriter {
 public:
  explicit FamilyWriter(prometheus::MetricFamily& family) : family_(family) {}
  void Add(double value, MetricLabels labels = {});
  void Add(const Histogram& histogram);

 private:
  prometheus::MetricFamily& family_;
};

struct FamilyDefinition {
  std::string name;
  const char* help;
  prometheus::MetricType type;
  void (*write)(const MetricsSnapshot& snapshot, FamilyWriter& out);
};

std::vector<FamilyDefinition> ObjectFamilies();  // of tenants and tasks
std::vector<FamilyDefinition> NodeFamilies();    // of the node and of the agent itself

inline double Seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace bulkhead
