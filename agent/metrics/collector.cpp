#include "agent/metrics/collector.h"

namespace bulkhead {

MetricsSnapshot MetricsCollector::Collect() {
  MetricsSnapshot snapshot;
  snapshot.collects = collects_;
  const Timed timed(parts_.clock, collects_);
  snapshot.attached = parts_.attached();
  snapshot.enforcement = parts_.engine.NodeState().enforcement;
  AddObjects(snapshot);
  snapshot.policies = parts_.engine.desired().policies.size();
  snapshot.left_over = parts_.engine.LeftOver().size();
  snapshot.maps = parts_.map_use();
  if (const auto unknown = parts_.unknown(); unknown.ok()) snapshot.unknown = *unknown;
  snapshot.events = parts_.events.counts();
  snapshot.engine = parts_.engine.stats();
  snapshot.ledger = {.last_sequence = parts_.ledger.last_sequence(),
                     .acknowledged_sequence = parts_.ledger.acknowledged_sequence(),
                     .spool_bytes = parts_.ledger.spool_bytes(),
                     .spool_max_bytes = parts_.ledger.spool_max(),
                     .thinned_records = parts_.ledger.thinned_records()};
  snapshot.inbox_waiting = parts_.loop.Waiting();
  snapshot.inbox_capacity = parts_.loop.Capacity();
  parts_.fill(snapshot);
  return snapshot;
}

void MetricsCollector::AddObjects(MetricsSnapshot& snapshot) const {
  const DesiredState& desired = parts_.engine.desired();
  snapshot.tenants.reserve(desired.tenants.size());
  for (const auto& [id, spec] : desired.tenants) {
    const LastSeen seen = parts_.engine.LastSeenOf(id);
    ObjectSnapshot tenant{
        .tenant = id.name, .wanted = spec.limits.values, .held = seen.held, .enforcement = seen.enforcement};
    if (const auto reading = parts_.read_tenant(id); reading.ok()) tenant.usage = UsageTotals{.counters = *reading};
    snapshot.tenants.push_back(std::move(tenant));
  }
  snapshot.tasks.reserve(desired.tasks.size());
  for (const auto& [id, spec] : desired.tasks) {
    const LastSeen seen = parts_.engine.LastSeenOf(id);
    ObjectSnapshot task{.tenant = id.tenant,
                        .task = id.name,
                        .wanted = spec.limits.values,
                        .held = seen.held,
                        .enforcement = seen.enforcement};
    if (const UsageTotals* totals = parts_.sampler.Latest(id)) task.usage = *totals;
    snapshot.tasks.push_back(std::move(task));
  }
}

}  // namespace bulkhead
