// The node, the data plane and the agent itself.
#include <array>

#include "agent/base/version.h"
#include "agent/metrics/family.h"
#include "agent/metrics/process.h"
#include "agent/plan/step.h"

namespace bulkhead {
namespace {

using prometheus::MetricType;
using Snapshot = MetricsSnapshot;

constexpr const char* kDirections[] = {"ingress", "egress"};

double Number(uint64_t value) { return static_cast<double>(value); }
double UnixSeconds(WallTime time) { return static_cast<double>(time.time_since_epoch().count()) / 1e9; }

const char* NameOf(Enforcement enforcement) {
  switch (enforcement) {
    case Enforcement::kEnforced:
      return "enforced";
    case Enforcement::kPending:  // no object is last seen so
    case Enforcement::kDegraded:
      return "degraded";
    case Enforcement::kFailed:
      break;
  }
  return "failed";
}

// Every kind and state, those of which there is none, too.
void Objects(const Snapshot& s, FamilyWriter& out) {
  for (const auto& [kind, objects] : {std::pair("tenant", &s.tenants), std::pair("task", &s.tasks)}) {
    for (const Enforcement enforcement : {Enforcement::kEnforced, Enforcement::kDegraded, Enforcement::kFailed}) {
      const auto count = std::count_if(objects->begin(), objects->end(),
                                       [&](const ObjectSnapshot& object) { return object.enforcement == enforcement; });
      out.Add(static_cast<double>(count), {{"kind", kind}, {"enforcement", NameOf(enforcement)}});
    }
  }
}

void UnknownDrops(const Snapshot& s, FamilyWriter& out) {
  if (!s.unknown) return;
  for (size_t way = 0; way < 2; ++way) {
    uint64_t dropped = 0;
    for (const uint64_t count : s.unknown->dropped[way]) dropped += count;
    out.Add(Number(dropped), {{"direction", kDirections[way]}});
  }
}

std::vector<FamilyDefinition> Node() {
  return {
      {"bulkhead_build_info", "What runs here; always 1.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) {
         out.Add(1, {{"version", kVersion}, {"node", s.node_id}, {"kernel", s.kernel}, {"cgroups", s.cgroup_mode}});
       }},
      {"bulkhead_ready", "1: walls stand and the state is loaded.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(s.ready ? 1 : 0); }},
      {"bulkhead_node_enforced", "1: nothing is known to be less than enforced on this node.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(s.enforcement == Enforcement::kEnforced ? 1 : 0); }},
      {"bulkhead_network_attached", "1: every network program is attached to the top cgroup as it is now.",
       MetricType::Gauge, [](const Snapshot& s, FamilyWriter& out) { out.Add(s.attached ? 1 : 0); }},
      {"bulkhead_objects", "Tenants and tasks by enforcement at the last reconciliation.", MetricType::Gauge, Objects},
      {"bulkhead_policies", "Network policies.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.policies)); }},
      {"bulkhead_left_over_objects", "Objects whose document is gone from the manifests.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.left_over)); }},
      {"bulkhead_map_entries", "Entries in a table of the data plane.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) {
         for (const MapUse& map : s.maps) out.Add(Number(map.used), {{"map", map.map}});
       }},
      {"bulkhead_map_capacity_entries", "Entries that fit into a table of the data plane.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) {
         for (const MapUse& map : s.maps) out.Add(Number(map.capacity), {{"map", map.map}});
       }},
      {"bulkhead_unknown_drops_total", "Packets dropped because no task is known for their socket.",
       MetricType::Counter, UnknownDrops},
  };
}

std::vector<FamilyDefinition> Work() {
  return {
      {"bulkhead_events_total", "What happened since the agent's start, by type.", MetricType::Counter,
       [](const Snapshot& s, FamilyWriter& out) {
         for (const auto& [type, count] : s.events) out.Add(Number(count), {{"type", type}});
       }},
      {"bulkhead_plan_steps_total", "Changes made to the kernel, by kind; those taken back count, too.",
       MetricType::Counter,
       [](const Snapshot& s, FamilyWriter& out) {
         for (size_t i = 0; i < kStepKinds.size(); ++i)
           out.Add(Number(s.engine.steps.done[i]), {{"step", kStepKinds[i]}});
       }},
      {"bulkhead_plan_step_failures_total", "Changes that the kernel refused.", MetricType::Counter,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.engine.steps.failed)); }},
      {"bulkhead_reconcile_repairs_total", "Changes that reconciliation had to make.", MetricType::Counter,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.engine.repairs)); }},
      {"bulkhead_reconcile_duration_seconds", "How long a reconciliation took.", MetricType::Histogram,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(s.engine.reconcile); }},
      {"bulkhead_apply_duration_seconds", "How long an Apply or Delete took, without waiting for its turn.",
       MetricType::Histogram, [](const Snapshot& s, FamilyWriter& out) { out.Add(s.engine.apply); }},
      {"bulkhead_sample_round_duration_seconds", "How long one round of sampling every task took.",
       MetricType::Histogram, [](const Snapshot& s, FamilyWriter& out) { out.Add(s.rounds); }},
      {"bulkhead_scrape_collect_duration_seconds", "How long scrapes before this one held the core thread.",
       MetricType::Histogram, [](const Snapshot& s, FamilyWriter& out) { out.Add(s.collects); }},
      {"bulkhead_api_requests_total", "Calls that the API answered, by method and gRPC code.", MetricType::Counter,
       [](const Snapshot& s, FamilyWriter& out) {
         for (const auto& [call, count] : s.calls)
           out.Add(Number(count), {{"method", call.first}, {"code", call.second}});
       }},
      {"bulkhead_inbox_waiting", "Requests that wait for the core thread.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.inbox_waiting)); }},
      {"bulkhead_inbox_capacity", "Requests that may wait for the core thread.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.inbox_capacity)); }},
      {"bulkhead_config_last_reload_successful", "1: configuration and manifests are in force as written.",
       MetricType::Gauge, [](const Snapshot& s, FamilyWriter& out) { out.Add(s.loaded ? 1 : 0); }},
      {"bulkhead_config_last_reload_success_timestamp_seconds",
       "When configuration and manifests were last taken, at the start or by a reload.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) {
         if (s.load_success) out.Add(UnixSeconds(*s.load_success));
       }},
  };
}

std::vector<FamilyDefinition> Accounts() {
  return {
      {"bulkhead_ledger_last_sequence", "The newest usage record.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.ledger.last_sequence)); }},
      {"bulkhead_ledger_acknowledged_sequence", "The newest usage record that the controller has.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.ledger.acknowledged_sequence)); }},
      {"bulkhead_ledger_spool_bytes", "What usage records that the controller has not take on disk.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.ledger.spool_bytes)); }},
      {"bulkhead_ledger_spool_limit_bytes", "usage.spool_max.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.ledger.spool_max_bytes)); }},
      {"bulkhead_ledger_thinned_records_total", "Records that gave way for want of room; no usage is lost by it.",
       MetricType::Counter, [](const Snapshot& s, FamilyWriter& out) { out.Add(Number(s.ledger.thinned_records)); }},
      {"bulkhead_controller_configured", "1: usage is to go to a controller.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(s.controller_configured ? 1 : 0); }},
      {"bulkhead_controller_connected", "1: a report stream is open and was answered.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(s.controller_connected ? 1 : 0); }},
  };
}

// Of this process, under the names that everybody gives them. Read when written: no other thread is asked.
template <typename Value>
void Own(FamilyWriter& out, Value value) {
  if (const auto use = ReadProcessUse(); use.ok()) out.Add(value(*use));
}

std::vector<FamilyDefinition> Process() {
  return {
      {"process_cpu_seconds_total", "CPU time of the agent, user and system.", MetricType::Counter,
       [](const Snapshot&, FamilyWriter& out) { Own(out, [](const ProcessUse& use) { return use.cpu_seconds; }); }},
      {"process_resident_memory_bytes", "Memory of the agent.", MetricType::Gauge,
       [](const Snapshot&, FamilyWriter& out) {
         Own(out, [](const ProcessUse& use) { return Number(use.resident_bytes); });
       }},
      {"process_open_fds", "Open file descriptors of the agent.", MetricType::Gauge,
       [](const Snapshot&, FamilyWriter& out) {
         Own(out, [](const ProcessUse& use) { return Number(use.open_fds); });
       }},
      {"process_max_fds", "File descriptors that the agent may open.", MetricType::Gauge,
       [](const Snapshot&, FamilyWriter& out) { Own(out, [](const ProcessUse& use) { return Number(use.max_fds); }); }},
      {"process_start_time_seconds", "When the agent started.", MetricType::Gauge,
       [](const Snapshot& s, FamilyWriter& out) { out.Add(UnixSeconds(s.started)); }},
  };
}

}  // namespace

std::vector<FamilyDefinition> NodeFamilies() {
  std::vector<FamilyDefinition> families;
  for (const auto& part : {Node(), Work(), Accounts(), Process()})
    families.insert(families.end(), part.begin(), part.end());
  return families;
}

}  // namespace bulkhead
