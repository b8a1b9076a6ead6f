// Tenants and tasks.
#include "agent/metrics/family.h"

namespace bulkhead {
namespace {

using prometheus::MetricType;
using Write = void (*)(const MetricsSnapshot&, FamilyWriter&);

constexpr const char* kDirections[] = {"ingress", "egress"};

// One value of every tenant or task that has it.
template <typename Value>
void EachTenant(const MetricsSnapshot& snapshot, FamilyWriter& out, Value value) {
  for (const ObjectSnapshot& tenant : snapshot.tenants)
    if (const std::optional<double> number = value(tenant)) out.Add(*number, {{"tenant", tenant.tenant}});
}
template <typename Value>
void EachTask(const MetricsSnapshot& snapshot, FamilyWriter& out, Value value) {
  for (const ObjectSnapshot& task : snapshot.tasks)
    if (const std::optional<double> number = value(task))
      out.Add(*number, {{"tenant", task.tenant}, {"task", task.task}});
}

template <uint64_t UsageReading::*counter>
std::optional<double> Number(const ObjectSnapshot& object) {
  if (!object.usage) return std::nullopt;
  return static_cast<double>(object.usage->counters.*counter);
}
template <uint64_t UsageReading::*counter>
std::optional<double> Time(const ObjectSnapshot& object) {
  if (!object.usage) return std::nullopt;
  return Seconds(object.usage->counters.*counter);
}
template <Limits ObjectSnapshot::*limits, LimitKind kind>
std::optional<double> Limit(const ObjectSnapshot& object) {
  const std::optional<uint64_t> value = (object.*limits).Number(kind);
  if (!value) return std::nullopt;
  const double number = static_cast<double>(*value);
  return kind == LimitKind::kCpuMax ? number / static_cast<double>(kCpuPeriodUsec) : number;
}

std::optional<double> MemorySeconds(const ObjectSnapshot& object) {
  if (!object.usage) return std::nullopt;
  return static_cast<double>(object.usage->memory_byte_seconds);
}

template <Enforcement state>
std::optional<double> Is(const ObjectSnapshot& object) {
  return object.enforcement == state ? 1 : 0;
}

template <std::optional<double> (*value)(const ObjectSnapshot&)>
void OfTenants(const MetricsSnapshot& snapshot, FamilyWriter& out) {
  EachTenant(snapshot, out, value);
}
template <std::optional<double> (*value)(const ObjectSnapshot&)>
void OfTasks(const MetricsSnapshot& snapshot, FamilyWriter& out) {
  EachTask(snapshot, out, value);
}

// Traffic of every task that has any.
template <uint64_t NetworkCounters::Traffic::*counter>
void Passed(const MetricsSnapshot& snapshot, FamilyWriter& out) {
  for (const ObjectSnapshot& task : snapshot.tasks) {
    if (!task.usage) continue;
    for (size_t way = 0; way < 2; ++way)
      for (size_t scope = 0; scope < kScopes; ++scope)
        if (const uint64_t count = task.usage->counters.network.passed[way][scope].*counter; count > 0)
          out.Add(static_cast<double>(count), {{"tenant", task.tenant},
                                               {"task", task.task},
                                               {"direction", kDirections[way]},
                                               {"scope", ScopeName(static_cast<Scope>(scope))}});
  }
}

void Dropped(const MetricsSnapshot& snapshot, FamilyWriter& out) {
  for (const ObjectSnapshot& task : snapshot.tasks) {
    if (!task.usage) continue;
    for (size_t way = 0; way < 2; ++way)
      for (size_t reason = 1; reason < kDropReasons; ++reason) {
        const uint64_t count = task.usage->counters.network.dropped[way][reason];
        if (count == 0 && static_cast<DropReason>(reason) != DropReason::kPolicy) continue;
        out.Add(static_cast<double>(count), {{"tenant", task.tenant},
                                             {"task", task.task},
                                             {"direction", kDirections[way]},
                                             {"reason", DropReasonName(static_cast<DropReason>(reason))}});
      }
  }
}

// What tenants and tasks have in common.
struct Common {
  const char* name;  // after bulkhead_tenant_ and bulkhead_task_
  const char* help;
  MetricType type;
  Write tenants;
  Write tasks;
};

template <std::optional<double> (*value)(const ObjectSnapshot&)>
Common Both(const char* name, MetricType type, const char* help) {
  return {name, help, type, OfTenants<value>, OfTasks<value>};
}

template <LimitKind kind>
void AddLimit(std::vector<Common>& common, const char* name, const char* effective, const char* help,
              const char* effective_help) {
  common.push_back(Both<Limit<&ObjectSnapshot::wanted, kind>>(name, MetricType::Gauge, help));
  common.push_back(Both<Limit<&ObjectSnapshot::held, kind>>(effective, MetricType::Gauge, effective_help));
}

std::vector<Common> CommonFamilies() {
  std::vector<Common> common = {
      Both<Time<&UsageReading::cpu_ns>>("cpu_seconds_total", MetricType::Counter, "CPU time, user and system."),
      Both<Time<&UsageReading::throttled_ns>>("cpu_throttled_seconds_total", MetricType::Counter,
                                              "Time in which it wanted to run and its cpu.max forbade."),
      Both<Number<&UsageReading::throttled_periods>>("cpu_throttled_periods_total", MetricType::Counter,
                                                     "Periods of 100 ms in which it was throttled."),
      Both<Number<&UsageReading::memory_bytes>>("memory_bytes", MetricType::Gauge, "Memory in use now."),
      Both<Number<&UsageReading::memory_peak_bytes>>("memory_peak_bytes", MetricType::Gauge,
                                                     "The most memory in use since the cgroup was made."),
      Both<Number<&UsageReading::pids>>("pids", MetricType::Gauge, "Processes and threads."),
      Both<Is<Enforcement::kEnforced>>("enforced", MetricType::Gauge,
                                       "1: the kernel held every wall as wanted at the last reconciliation."),
      Both<Is<Enforcement::kDegraded>>("degraded", MetricType::Gauge, "1: a wall is not as wanted."),
      Both<Is<Enforcement::kFailed>>(
          "failed", MetricType::Gauge,
          "1: the cgroup or the network's wall is missing; without the latter nothing passes."),
  };
  AddLimit<LimitKind::kCpuMax>(common, "cpu_limit_cores", "cpu_effective_limit_cores", "limits.cpu.max as wanted.",
                               "limits.cpu.max as the kernel held it at the last reconciliation.");
  AddLimit<LimitKind::kCpuWeight>(common, "cpu_weight", "cpu_effective_weight", "limits.cpu.weight as wanted.",
                                  "limits.cpu.weight as the kernel held it at the last reconciliation.");
  AddLimit<LimitKind::kMemoryMax>(common, "memory_limit_bytes", "memory_effective_limit_bytes",
                                  "limits.memory.max as wanted.",
                                  "limits.memory.max as the kernel held it at the last reconciliation.");
  AddLimit<LimitKind::kPidsMax>(common, "pids_limit", "pids_effective_limit", "limits.pids.max as wanted.",
                                "limits.pids.max as the kernel held it at the last reconciliation.");
  return common;
}

}  // namespace

std::vector<FamilyDefinition> ObjectFamilies() {
  std::vector<FamilyDefinition> families;
  for (const Common& common : CommonFamilies()) {
    families.push_back({std::string("bulkhead_tenant_") + common.name, common.help, common.type, common.tenants});
    families.push_back({std::string("bulkhead_task_") + common.name, common.help, common.type, common.tasks});
  }
  const std::vector<FamilyDefinition> of_tasks = {
      {"bulkhead_task_memory_byte_seconds_total", "Memory integrated over time.", MetricType::Counter,
       OfTasks<MemorySeconds>},
      {"bulkhead_task_oom_kills_total", "Processes killed for want of memory.", MetricType::Counter,
       OfTasks<Number<&UsageReading::oom_kills>>},
      {"bulkhead_task_pids_failures_total", "Forks that pids.max refused.", MetricType::Counter,
       OfTasks<Number<&UsageReading::pids_failures>>},
      {"bulkhead_task_network_bytes_total", "Bytes that passed, layer 3, by where the other end is.",
       MetricType::Counter, Passed<&NetworkCounters::Traffic::bytes>},
      {"bulkhead_task_network_packets_total", "Packets that passed, by where the other end is.", MetricType::Counter,
       Passed<&NetworkCounters::Traffic::packets>},
      {"bulkhead_task_network_drops_total", "Packets, and calls of connect, sendmsg and bind, that were refused.",
       MetricType::Counter, Dropped},
  };
  families.insert(families.end(), of_tasks.begin(), of_tasks.end());
  return families;
}

}  // namespace bulkhead
