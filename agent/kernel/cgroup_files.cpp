#include "agent/kernel/cgroup_files.h"

#include <cerrno>
#include <charconv>
#include <climits>

#include <fmt/format.h>

namespace bulkhead {
namespace {

constexpr uint64_t kSharesPerDefaultWeight = 1024;

std::string_view Strip(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

Result<uint64_t> Number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return Internal(fmt::format("\"{}\" is not a number", text));
  return value;
}

// The largest count of bytes that a memory limit can hold; the kernel calls it "max" (include/linux/page_counter.h).
uint64_t MemoryCeiling(uint64_t page_size) { return static_cast<uint64_t>(LONG_MAX) / page_size * page_size; }

Result<std::optional<uint64_t>> CpuMaxFromText(std::string_view quota, uint64_t period_usec) {
  if (quota == "max" || quota == "-1") return std::optional<uint64_t>();
  BULKHEAD_ASSIGN(const uint64_t quota_usec, Number(quota));
  if (period_usec == 0) return Internal("CPU period of 0");
  if (period_usec == kCpuPeriodUsec) return std::optional(quota_usec);
  return std::optional(quota_usec * kCpuPeriodUsec / period_usec);
}

}  // namespace

const char* ControllerName(Controller controller) {
  switch (controller) {
    case Controller::kCpu:
      return "cpu";
    case Controller::kMemory:
      return "memory";
    case Controller::kPids:
      return "pids";
  }
  return "?";
}

Controller ControllerOf(LimitKind kind) {
  switch (kind) {
    case LimitKind::kMemoryMax:
      return Controller::kMemory;
    case LimitKind::kPidsMax:
      return Controller::kPids;
    case LimitKind::kCpuMax:
    case LimitKind::kCpuWeight:
      break;
  }
  return Controller::kCpu;
}

LimitFile LimitFileOf(LimitKind kind, bool v2) {
  if (v2) return {LimitName(kind), nullptr};
  switch (kind) {
    case LimitKind::kCpuMax:
      return {"cpu.cfs_quota_us", "cpu.cfs_period_us"};
    case LimitKind::kCpuWeight:
      return {"cpu.shares", nullptr};
    case LimitKind::kMemoryMax:
      return {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes"};
    case LimitKind::kPidsMax:
      break;
  }
  return {"pids.max", nullptr};
}

Result<std::string> LimitToText(LimitKind kind, bool v2, std::optional<uint64_t> value) {
  switch (kind) {
    case LimitKind::kCpuMax:
      if (v2) return (value ? std::to_string(*value) : "max") + " " + std::to_string(kCpuPeriodUsec);
      return value ? std::to_string(*value) : "-1";
    case LimitKind::kCpuWeight: {
      const uint64_t weight = value.value_or(kDefaultCpuWeight);
      if (weight < 1 || weight > 10'000) return Errno(ERANGE, fmt::format("write \"{}\"", weight));
      if (v2) return std::to_string(weight);
      return std::to_string((weight * kSharesPerDefaultWeight + kDefaultCpuWeight / 2) / kDefaultCpuWeight);
    }
    case LimitKind::kMemoryMax:
      return value ? std::to_string(*value) : (v2 ? "max" : "-1");
    case LimitKind::kPidsMax:
      break;
  }
  return value ? std::to_string(*value) : "max";
}

Result<std::optional<uint64_t>> LimitFromText(LimitKind kind, bool v2, std::string_view text, uint64_t period) {
  text = Strip(text);
  switch (kind) {
    case LimitKind::kCpuMax: {
      if (!v2) return CpuMaxFromText(text, period);
      const size_t space = text.find(' ');
      if (space == std::string_view::npos) return Internal(fmt::format("\"{}\" is not \"quota period\"", text));
      BULKHEAD_ASSIGN(period, Number(text.substr(space + 1)));
      return CpuMaxFromText(text.substr(0, space), period);
    }
    case LimitKind::kCpuWeight: {
      BULKHEAD_ASSIGN(uint64_t weight, Number(text));
      if (!v2) weight = (weight * kDefaultCpuWeight + kSharesPerDefaultWeight / 2) / kSharesPerDefaultWeight;
      return weight == kDefaultCpuWeight ? std::optional<uint64_t>() : std::optional(weight);
    }
    case LimitKind::kMemoryMax:
    case LimitKind::kPidsMax:
      break;
  }
  if (text == "max") return std::optional<uint64_t>();
  BULKHEAD_ASSIGN(const uint64_t value, Number(text));
  // v1 spells "no limit" as the largest multiple of the page size; pages are at most 64 KiB.
  if (kind == LimitKind::kMemoryMax && !v2 && value >= MemoryCeiling(65'536)) return std::optional<uint64_t>();
  return std::optional(value);
}

std::optional<uint64_t> EffectiveLimit(LimitKind kind, std::optional<uint64_t> value, uint64_t page_size) {
  if (!value) return value;
  if (kind == LimitKind::kCpuWeight && *value == kDefaultCpuWeight) return std::nullopt;
  if (kind != LimitKind::kMemoryMax) return value;
  if (*value >= MemoryCeiling(page_size)) return std::nullopt;
  return *value / page_size * page_size;
}

std::optional<uint64_t> StatField(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.substr(0, key.size()) == key && line[key.size()] == ' ') {
      auto value = Number(line.substr(key.size() + 1));
      return value.ok() ? std::optional(*value) : std::nullopt;
    }
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return std::nullopt;
}

}  // namespace bulkhead
