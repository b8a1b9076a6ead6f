#include <algorithm>

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "agent/rpc/convert.h"
#include "agent/rpc/convert_parts.h"

namespace bulkhead {
namespace {

using google::protobuf::util::TimeUtil;

v1::TrafficDirection EncodeDirection(size_t direction) {
  return direction == 0 ? v1::TRAFFIC_DIRECTION_INGRESS : v1::TRAFFIC_DIRECTION_EGRESS;
}

Result<size_t> DecodeDirection(v1::TrafficDirection direction, const std::string& field) {
  if (direction == v1::TRAFFIC_DIRECTION_INGRESS) return size_t{0};
  if (direction == v1::TRAFFIC_DIRECTION_EGRESS) return size_t{1};
  return InvalidArgument(fmt::format("{}.direction: {} is neither ingress nor egress", field, int{direction}));
}

Result<size_t> DecodeScope(const std::string& name, const std::string& field) {
  for (size_t scope = 0; scope < kScopes; ++scope)
    if (name == ScopeName(static_cast<Scope>(scope))) return scope;
  return InvalidArgument(fmt::format("{}.scope: \"{}\" is not known", field, Printable(name)));
}

Result<size_t> DecodeReason(const std::string& name, const std::string& field) {
  for (size_t reason = 1; reason < kDropReasons; ++reason)  // 0 is "none": nothing was dropped
    if (name == DropReasonName(static_cast<DropReason>(reason))) return reason;
  return InvalidArgument(fmt::format("{}.reason: \"{}\" is not known", field, Printable(name)));
}

Status DecodeNetwork(const v1::Usage& usage, NetworkCounters& out) {
  for (int i = 0; i < usage.traffic_size(); ++i) {
    const std::string field = fmt::format("usage.traffic[{}]", i);
    BULKHEAD_ASSIGN(const size_t direction, DecodeDirection(usage.traffic(i).direction(), field));
    BULKHEAD_ASSIGN(const size_t scope, DecodeScope(usage.traffic(i).scope(), field));
    auto& traffic = out.passed[direction][scope];
    if (traffic != NetworkCounters::Traffic{}) return InvalidArgument(field + ": this direction and scope came twice");
    traffic = {usage.traffic(i).bytes(), usage.traffic(i).packets()};
  }
  for (int i = 0; i < usage.drops_size(); ++i) {
    const std::string field = fmt::format("usage.drops[{}]", i);
    BULKHEAD_ASSIGN(const size_t direction, DecodeDirection(usage.drops(i).direction(), field));
    BULKHEAD_ASSIGN(const size_t reason, DecodeReason(usage.drops(i).reason(), field));
    if (out.dropped[direction][reason] != 0) return InvalidArgument(field + ": this direction and reason came twice");
    out.dropped[direction][reason] = usage.drops(i).packets();
  }
  return Ok();
}

google::protobuf::Timestamp EncodeTime(WallTime time) {
  return TimeUtil::NanosecondsToTimestamp(time.time_since_epoch().count());
}

Result<WallTime> DecodeTime(const google::protobuf::Timestamp& time, const std::string& field) {
  constexpr int64_t kMaxSeconds = INT64_MAX / 1'000'000'000 - 1;  // the year 2262
  if (time.seconds() < 0 || time.seconds() > kMaxSeconds || time.nanos() < 0 || time.nanos() > 999'999'999)
    return InvalidArgument(field + ": out of range");
  return WallTime(std::chrono::seconds(time.seconds()) + std::chrono::nanoseconds(time.nanos()));
}

Status DecodeInterval(const v1::UsageRecord& record, UsageRecord& out) {
  BULKHEAD_ASSIGN(out.start_wall, DecodeTime(record.start_time(), "start_time"));
  BULKHEAD_ASSIGN(out.end_wall, DecodeTime(record.end_time(), "end_time"));
  constexpr uint64_t kMax = INT64_MAX;
  if (record.end_boot_ns() > kMax || record.start_boot_ns() > record.end_boot_ns())
    return InvalidArgument(fmt::format("end_boot_ns: {} is out of range or before start_boot_ns {}",
                                       record.end_boot_ns(), record.start_boot_ns()));
  out.start_boot = BootTime(static_cast<int64_t>(record.start_boot_ns()));
  out.end_boot = BootTime(static_cast<int64_t>(record.end_boot_ns()));
  return Ok();
}

}  // namespace

v1::Usage EncodeUsage(const UsageReading& reading) {
  v1::Usage usage;
  usage.set_cpu_ns(reading.cpu_ns);
  usage.set_throttled_ns(reading.throttled_ns);
  usage.set_throttled_periods(reading.throttled_periods);
  usage.set_memory_bytes(reading.memory_bytes);
  usage.set_memory_peak_bytes(reading.memory_peak_bytes);
  usage.set_oom_kills(reading.oom_kills);
  usage.set_pids(reading.pids);
  usage.set_pids_failures(reading.pids_failures);
  for (size_t direction = 0; direction < 2; ++direction) {
    for (size_t scope = 0; scope < kScopes; ++scope) {
      const auto& passed = reading.network.passed[direction][scope];
      if (passed == NetworkCounters::Traffic{}) continue;
      v1::Traffic& traffic = *usage.add_traffic();
      traffic.set_direction(EncodeDirection(direction));
      traffic.set_scope(ScopeName(static_cast<Scope>(scope)));
      traffic.set_bytes(passed.bytes);
      traffic.set_packets(passed.packets);
    }
    for (size_t reason = 1; reason < kDropReasons; ++reason) {
      if (reading.network.dropped[direction][reason] == 0) continue;
      v1::Drops& drops = *usage.add_drops();
      drops.set_direction(EncodeDirection(direction));
      drops.set_reason(DropReasonName(static_cast<DropReason>(reason)));
      drops.set_packets(reading.network.dropped[direction][reason]);
    }
  }
  return usage;
}

v1::Usage EncodeUsage(const UsageTotals& totals) {
  v1::Usage usage = EncodeUsage(totals.counters);
  usage.set_memory_byte_seconds(totals.memory_byte_seconds);
  return usage;
}

Result<UsageTotals> DecodeUsage(const v1::Usage& usage) {
  UsageTotals totals;
  totals.counters.cpu_ns = usage.cpu_ns();
  totals.counters.throttled_ns = usage.throttled_ns();
  totals.counters.throttled_periods = usage.throttled_periods();
  totals.counters.memory_bytes = usage.memory_bytes();
  totals.counters.memory_peak_bytes = usage.memory_peak_bytes();
  totals.counters.oom_kills = usage.oom_kills();
  totals.counters.pids = usage.pids();
  totals.counters.pids_failures = usage.pids_failures();
  totals.memory_byte_seconds = usage.memory_byte_seconds();
  BULKHEAD_RETURN_IF_ERROR(DecodeNetwork(usage, totals.counters.network));
  return totals;
}

v1::UsageRecord EncodeRecord(const UsageRecord& record, const std::string& node_id) {
  v1::UsageRecord encoded;
  encoded.set_sequence(record.sequence);
  encoded.set_node_id(node_id);
  encoded.set_boot_id(record.boot_id);
  encoded.set_tenant(record.task.tenant);
  encoded.set_task(record.task.name);
  encoded.set_task_uid(record.task_uid);
  encoded.set_cgroup_id(record.cgroup_id);
  *encoded.mutable_start_time() = EncodeTime(record.start_wall);
  *encoded.mutable_end_time() = EncodeTime(record.end_wall);
  encoded.set_start_boot_ns(static_cast<uint64_t>(std::max<int64_t>(0, record.start_boot.count())));
  encoded.set_end_boot_ns(static_cast<uint64_t>(std::max<int64_t>(0, record.end_boot.count())));
  *encoded.mutable_usage() = EncodeUsage(record.totals);
  encoded.set_first(record.first);
  encoded.set_final(record.final);
  encoded.set_estimated(record.estimated);
  return encoded;
}

Result<UsageRecord> DecodeRecord(const v1::UsageRecord& record) {
  const std::string name = fmt::format("usage record {}", record.sequence());
  UsageRecord decoded;
  const auto decode = [&]() -> Status {
    if (record.sequence() == 0) return InvalidArgument("sequence: must be 1 or more");
    if (record.boot_id().empty()) return InvalidArgument("boot_id: is empty");
    if (record.task_uid().empty()) return InvalidArgument("task_uid: is empty");
    BULKHEAD_RETURN_IF_ERROR(ValidateName(record.tenant(), "tenant"));
    BULKHEAD_RETURN_IF_ERROR(ValidateName(record.task(), "task"));
    BULKHEAD_RETURN_IF_ERROR(DecodeInterval(record, decoded));
    BULKHEAD_ASSIGN(decoded.totals, DecodeUsage(record.usage()));
    return Ok();
  };
  if (Status status = decode(); !status.ok()) return Annotate(status, name);
  decoded.sequence = record.sequence();
  decoded.boot_id = record.boot_id();
  decoded.task = {record.tenant(), record.task()};
  decoded.task_uid = record.task_uid();
  decoded.cgroup_id = record.cgroup_id();
  decoded.totals.counters.at = decoded.end_boot;
  decoded.first = record.first();
  decoded.final = record.final();
  decoded.estimated = record.estimated();
  return decoded;
}

}  // namespace bulkhead
