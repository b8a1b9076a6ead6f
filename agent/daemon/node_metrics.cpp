#include "agent/daemon/node_metrics.h"

#include "agent/base/host.h"

namespace bulkhead {

MetricsCollector MakeCollector(const NodeMetricsParts& parts) {
  return MetricsCollector({.engine = parts.engine,
                           .events = parts.events,
                           .ledger = parts.ledger,
                           .sampler = parts.sampler,
                           .loop = parts.loop,
                           .clock = parts.clock,
                           .read_tenant = [parts](const TenantId& tenant) { return parts.tenants.Read(tenant); },
                           .map_use = [parts] { return parts.maps.Use(); },
                           .unknown = parts.unknown,
                           .attached = [parts] { return parts.maps.CheckAttached().ok(); },
                           .fill =
                               [parts](MetricsSnapshot& snapshot) {
                                 snapshot.node_id = parts.facts.node_id;
                                 snapshot.kernel = KernelRelease();
                                 snapshot.cgroup_mode = parts.facts.cgroup_mode;
                                 snapshot.started = parts.facts.started;
                                 snapshot.ready = parts.ready();
                                 snapshot.rounds = parts.meter.rounds();
                                 const ReportState controller = parts.controller.State();
                                 snapshot.controller_configured = !controller.address.empty();
                                 snapshot.controller_connected = controller.connected;
                                 snapshot.calls = parts.server.calls();
                                 const LoadState load = parts.load();
                                 snapshot.loaded = load.error.ok();
                                 snapshot.load_success = load.success;
                               }});
}

}  // namespace bulkhead
