#include "agent/cli/top_model.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace bulkhead::cli {
namespace {

struct Sums {
  uint64_t received = 0;
  uint64_t sent = 0;
  uint64_t dropped = 0;
};

Sums Sum(const v1::Usage& usage) {
  Sums sums;
  for (const v1::Traffic& traffic : usage.traffic())
    (traffic.direction() == v1::TRAFFIC_DIRECTION_INGRESS ? sums.received : sums.sent) += traffic.bytes();
  for (const v1::Drops& drops : usage.drops()) sums.dropped += drops.packets();
  return sums;
}

double PerSecond(uint64_t before, uint64_t now, double seconds) {
  return now > before ? static_cast<double>(now - before) / seconds : 0;
}

// Every task by uid: a task that was deleted and made anew is another one.
std::map<std::string, const v1::GetTaskResponse*> ByUid(const v1::ListTasksResponse& tasks) {
  std::map<std::string, const v1::GetTaskResponse*> found;
  for (const v1::GetTaskResponse& task : tasks.tasks()) found[task.status().uid()] = &task;
  return found;
}

void FillRates(TopRow& row, const v1::GetTaskResponse& before, const v1::GetTaskResponse& now) {
  using google::protobuf::util::TimeUtil;
  if (!before.has_usage_time() || !now.has_usage_time()) return;
  const double seconds =
      static_cast<double>(TimeUtil::DurationToNanoseconds(now.usage_time() - before.usage_time())) / 1e9;
  if (seconds <= 0) return;
  const Sums old_sums = Sum(before.usage());
  const Sums new_sums = Sum(now.usage());
  row.cpus = PerSecond(before.usage().cpu_ns(), now.usage().cpu_ns(), seconds) / 1e9;
  // A period lasts 100 ms.
  row.throttled =
      std::min(1.0, PerSecond(before.usage().throttled_periods(), now.usage().throttled_periods(), seconds) / 10);
  row.received_per_second = PerSecond(old_sums.received, new_sums.received, seconds);
  row.sent_per_second = PerSecond(old_sums.sent, new_sums.sent, seconds);
}

void Add(std::optional<double>& sum, const std::optional<double>& part) {
  if (part) sum = sum.value_or(0) + *part;
}

auto Key(const TopRow& row, SortBy sort) {
  double value = 0;
  if (sort == SortBy::kCpu) value = row.cpus.value_or(0);
  if (sort == SortBy::kMemory) value = static_cast<double>(row.memory_bytes);
  if (sort == SortBy::kNet) value = row.received_per_second.value_or(0) + row.sent_per_second.value_or(0);
  if (sort == SortBy::kPids) value = static_cast<double>(row.pids);
  return std::make_tuple(-value, row.name);
}

void Sort(std::vector<TopRow>& rows, SortBy sort) {
  std::sort(rows.begin(), rows.end(), [&](const TopRow& a, const TopRow& b) { return Key(a, sort) < Key(b, sort); });
}

std::string Rate(const std::optional<double>& per_second) {
  return per_second ? Bytes(static_cast<uint64_t>(*per_second)) + "/s" : "-";
}

}  // namespace

std::vector<TopRow> MakeRows(const Snapshot& before, const Snapshot& now, SortBy sort) {
  const auto earlier = ByUid(before.tasks);
  std::map<std::string, std::vector<TopRow>> tasks;
  for (const v1::GetTaskResponse& entry : now.tasks.tasks()) {
    TopRow row{.name = entry.task().tenant() + "/" + entry.task().name(), .limits = entry.task().limits()};
    row.memory_bytes = entry.usage().memory_bytes();
    row.pids = entry.usage().pids();
    row.dropped = Sum(entry.usage()).dropped;
    if (const auto old_entry = earlier.find(entry.status().uid()); old_entry != earlier.end())
      FillRates(row, *old_entry->second, entry);
    tasks[entry.task().tenant()].push_back(std::move(row));
  }
  std::vector<TopRow> tenants;
  for (const v1::GetTenantResponse& entry : now.tenants.tenants()) {
    TopRow row{.name = entry.tenant().name(), .tenant = true, .limits = entry.tenant().limits()};
    row.memory_bytes = entry.usage().memory_bytes();
    row.pids = entry.usage().pids();
    for (const TopRow& task : tasks[row.name]) {
      Add(row.cpus, task.cpus);
      Add(row.received_per_second, task.received_per_second);
      Add(row.sent_per_second, task.sent_per_second);
      row.dropped += task.dropped;
    }
    tenants.push_back(std::move(row));
  }
  Sort(tenants, sort);
  std::vector<TopRow> rows;
  for (TopRow& tenant : tenants) {
    std::vector<TopRow>& own = tasks[tenant.name];
    Sort(own, sort);
    rows.push_back(std::move(tenant));
    rows.insert(rows.end(), own.begin(), own.end());
  }
  return rows;
}

Table MakeTable(const std::vector<TopRow>& rows) {
  Table table({{"NAME", false, true},
               {"CPU", true},
               {"HELD BACK", true},
               {"MEMORY", true},
               {"PIDS", true},
               {"RECEIVED", true},
               {"SENT", true},
               {"DROPPED", true}});
  for (const TopRow& row : rows) {
    const bool full = row.limits.memory().has_max() && row.memory_bytes >= row.limits.memory().max() / 10 * 9;
    table.Add({Cell(row.tenant ? row.name : "  " + row.name),
               OfLimit(row.cpus ? fmt::format("{:.2f}", *row.cpus) : "-", CpuMax(row.limits)),
               Cell(row.throttled ? fmt::format("{:.0f}%", *row.throttled * 100) : "-",
                    row.throttled.value_or(0) > 0.5 ? Color::kWarn : Color::kNone),
               Cell(OfLimit(Bytes(row.memory_bytes), MemoryMax(row.limits)), full ? Color::kWarn : Color::kNone),
               OfLimit(fmt::format("{}", row.pids), PidsMax(row.limits)), Rate(row.received_per_second),
               Rate(row.sent_per_second), Cell(Count(row.dropped), row.dropped > 0 ? Color::kWarn : Color::kNone)});
  }
  return table;
}

}  // namespace bulkhead::cli
