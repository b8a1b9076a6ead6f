#include "agent/metrics/exposition.h"

#include <prometheus/text_serializer.h>

#include <sstream>

#include "agent/metrics/family.h"

namespace bulkhead {
namespace {

const std::vector<FamilyDefinition>& Families() {
  static const std::vector<FamilyDefinition> all = [] {
    std::vector<FamilyDefinition> families = NodeFamilies();
    for (FamilyDefinition& family : ObjectFamilies()) families.push_back(std::move(family));
    return families;
  }();
  return all;
}

}  // namespace

void FamilyWriter::Add(double value, MetricLabels labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, text] : labels) metric.label.push_back({name, text});
  switch (family_.type) {
    case prometheus::MetricType::Counter:
      metric.counter.value = value;
      break;
    default:
      metric.gauge.value = value;
  }
  family_.metric.push_back(std::move(metric));
}

void FamilyWriter::Add(const Histogram& histogram) {
  prometheus::ClientMetric metric;
  uint64_t below = 0;
  for (size_t i = 0; i < histogram.bounds().size(); ++i) {
    below += histogram.counts()[i];
    metric.histogram.bucket.push_back({below, histogram.bounds()[i]});
  }
  metric.histogram.sample_count = below + histogram.counts().back();
  metric.histogram.sample_sum = histogram.sum();
  family_.metric.push_back(std::move(metric));
}

std::string Exposition::Next() {
  while (next_ < Families().size()) {
    const FamilyDefinition& definition = Families()[next_++];
    std::vector<prometheus::MetricFamily> family(1);
    family[0].name = definition.name;
    family[0].help = definition.help;
    family[0].type = definition.type;
    FamilyWriter out(family[0]);
    definition.write(*snapshot_, out);
    if (family[0].metric.empty()) continue;
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, family);
    return std::move(text).str();
  }
  return "";
}

}  // namespace bulkhead
