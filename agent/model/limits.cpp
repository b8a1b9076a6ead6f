#include "agent/model/limits.h"

#include <algorithm>

#include <fmt/format.h>

namespace bulkhead {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 60;
constexpr uint64_t kMaxIops = UINT32_MAX - 1;  // one more is the kernel's "max"
constexpr uint64_t kMaxCpuUsec = 10'000 * kCpuPeriodUsec;

// Bounds that the kernel accepts: sched/core.c (quota ≥ 1 ms), cgroup-v2.rst (weight), PIDS_MAX, and LLONG_MAX for
// bytes.
constexpr LimitTraits kTraits[] = {
    {LimitKind::kCpuMax,
     "cpu.max",
     LimitShape::kNumber,
     WiderIs::kLarger,
     {},
     1'000,
     kMaxCpuUsec,
     "10m (a hundredth of a CPU) to 10000 CPUs"},
    {LimitKind::kCpuBurst, "cpu.burst", LimitShape::kNumber, WiderIs::kLarger, 0, 0, kMaxCpuUsec, "0s to 1000s"},
    {LimitKind::kCpuWeight, "cpu.weight", LimitShape::kNumber, WiderIs::kNeither, kDefaultCpuWeight, 1, 10'000,
     "1 to 10000"},
    {LimitKind::kCpuIdle, "cpu.idle", LimitShape::kFlag, WiderIs::kSmaller, 0, 0, 1, "true or false"},
    {LimitKind::kCpuCpus, "cpu.cpus", LimitShape::kSet, WiderIs::kSuperset, {}, 0, 0, "0-3,7"},
    {LimitKind::kCpuMems, "cpu.mems", LimitShape::kSet, WiderIs::kSuperset, {}, 0, 0, "0-3,7"},
    {LimitKind::kMemoryMax, "memory.max", LimitShape::kNumber, WiderIs::kLarger, {}, 4'096, kMaxBytes, "4KiB to 1EiB"},
    {LimitKind::kMemoryHigh,
     "memory.high",
     LimitShape::kNumber,
     WiderIs::kLarger,
     {},
     4'096,
     kMaxBytes,
     "4KiB to 1EiB"},
    {LimitKind::kMemoryLow, "memory.low", LimitShape::kNumber, WiderIs::kLarger, 0, 0, kMaxBytes, "0 to 1EiB"},
    {LimitKind::kMemoryMin, "memory.min", LimitShape::kNumber, WiderIs::kLarger, 0, 0, kMaxBytes, "0 to 1EiB"},
    {LimitKind::kSwapMax, "memory.swap_max", LimitShape::kNumber, WiderIs::kLarger, {}, 0, kMaxBytes, "0 to 1EiB"},
    {LimitKind::kOomGroup, "memory.oom_group", LimitShape::kFlag, WiderIs::kNeither, 0, 0, 1, "true or false"},
    {LimitKind::kPidsMax, "pids.max", LimitShape::kNumber, WiderIs::kLarger, {}, 1, 4'194'304, "1 to 4194304"},
    {LimitKind::kIoWeight, "io_weight", LimitShape::kNumber, WiderIs::kNeither, kDefaultIoWeight, 1, 10'000,
     "1 to 10000"},
    {LimitKind::kIoReadBps, "io.read_bps", LimitShape::kNumber, WiderIs::kLarger, {}, 1, kMaxBytes, "1 to 1EiB"},
    {LimitKind::kIoWriteBps, "io.write_bps", LimitShape::kNumber, WiderIs::kLarger, {}, 1, kMaxBytes, "1 to 1EiB"},
    {LimitKind::kIoReadIops, "io.read_iops", LimitShape::kNumber, WiderIs::kLarger, {}, 1, kMaxIops, "1 to 4294967294"},
    {LimitKind::kIoWriteIops,
     "io.write_iops",
     LimitShape::kNumber,
     WiderIs::kLarger,
     {},
     1,
     kMaxIops,
     "1 to 4294967294"},
    {LimitKind::kHugetlbMax, "hugetlb.max", LimitShape::kNumber, WiderIs::kLarger, {}, 0, kMaxBytes, "0 to 1EiB"},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < std::size(kTraits); ++i)
    if (kTraits[i].kind != kAllLimits[i] || static_cast<size_t>(kTraits[i].kind) != i) return false;
  return std::size(kTraits) == kAllLimits.size();
}
static_assert(InOrder(), "kTraits and kAllLimits follow LimitKind");

Status CheckRange(const LimitTraits& traits, const LimitValue& value, const std::string& field) {
  const bool good = traits.shape == LimitShape::kSet ? !value.set().empty()
                                                     : value.number() >= traits.low && value.number() <= traits.high;
  if (good) return Ok();
  return InvalidArgument(fmt::format("{}.{}: out of range, use {}", field, traits.name, traits.range));
}

// Two numbers of which the first may at most be the second, or must be below it.
struct Pair {
  LimitKind inner;
  LimitKind outer;
  bool may_equal;
};
constexpr Pair kPairs[] = {{LimitKind::kCpuBurst, LimitKind::kCpuMax, true},
                           {LimitKind::kMemoryHigh, LimitKind::kMemoryMax, false},
                           {LimitKind::kMemoryLow, LimitKind::kMemoryMax, true},
                           {LimitKind::kMemoryMin, LimitKind::kMemoryMax, true}};

}  // namespace

const LimitTraits& TraitsOf(LimitKind kind) { return kTraits[static_cast<size_t>(kind)]; }

const char* LimitName(LimitKind kind) { return TraitsOf(kind).name; }

std::string ToString(const LimitId& id) {
  if (IsOfDisk(id.kind)) return fmt::format("{} of {}", LimitName(id.kind), DiskOf(id).ToString());
  if (IsOfPageSize(id.kind)) return fmt::format("{} of {}", LimitName(id.kind), PageSizeName(id.of));
  return LimitName(id.kind);
}

bool IsOfDisk(LimitKind kind) { return kind >= LimitKind::kIoReadBps && kind <= LimitKind::kIoWriteIops; }
bool IsOfPageSize(LimitKind kind) { return kind == LimitKind::kHugetlbMax; }
uint64_t OfDisk(const DiskId& disk) { return uint64_t{disk.major} << 32U | disk.minor; }
DiskId DiskOf(const LimitId& id) { return {static_cast<uint32_t>(id.of >> 32U), static_cast<uint32_t>(id.of)}; }

std::string PageSizeName(uint64_t bytes) {
  constexpr std::pair<uint64_t, const char*> kUnits[] = {
      {uint64_t{1} << 30U, "GiB"}, {uint64_t{1} << 20U, "MiB"}, {uint64_t{1} << 10U, "KiB"}};
  for (const auto& [size, name] : kUnits)
    if (bytes >= size && bytes % size == 0) return fmt::format("{}{}", bytes / size, name);
  return std::to_string(bytes);
}

std::string ToString(const LimitId& id, const std::optional<LimitValue>& value) {
  const LimitTraits& traits = TraitsOf(id.kind);
  if (traits.shape == LimitShape::kSet) return value ? value->set().ToString() : "all";
  if (value) return std::to_string(value->number());
  return traits.neutral ? std::to_string(*traits.neutral) : "max";
}

Limits::Limits(std::initializer_list<Entry> entries) {
  for (const Entry& entry : entries) Set(entry.first, entry.second);
}

const LimitValue* Limits::Find(const LimitId& id) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), id,
                                      [](const Entry& entry, const LimitId& wanted) { return entry.first < wanted; });
  return found != entries_.end() && found->first == id ? &found->second : nullptr;
}

std::optional<LimitValue> Limits::Get(const LimitId& id) const {
  const LimitValue* found = Find(id);
  return found ? std::optional(*found) : std::nullopt;
}

std::optional<uint64_t> Limits::Number(const LimitId& id) const {
  const LimitValue* found = Find(id);
  return found ? std::optional(found->number()) : std::nullopt;
}

void Limits::Set(const LimitId& id, std::optional<LimitValue> value) {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), id,
                                   [](const Entry& entry, const LimitId& wanted) { return entry.first < wanted; });
  const bool there = at != entries_.end() && at->first == id;
  if (!value) {
    if (there) entries_.erase(at);
  } else if (there) {
    at->second = *std::move(value);
  } else {
    entries_.emplace(at, id, *std::move(value));
  }
}

Change ChangeOf(LimitKind kind, const std::optional<LimitValue>& from, const std::optional<LimitValue>& to) {
  if (from == to) return Change::kNone;
  const LimitTraits& traits = TraitsOf(kind);
  if (traits.wider == WiderIs::kNeither) return Change::kOther;
  if (traits.wider == WiderIs::kSuperset) {
    if (!to || (from && to->set().Contains(from->set()))) return Change::kWider;
    return !from || from->set().Contains(to->set()) ? Change::kNarrower : Change::kOther;
  }
  const auto number = [&](const std::optional<LimitValue>& value) {
    return value ? value->number() : traits.neutral.value_or(UINT64_MAX);
  };
  if (number(from) == number(to)) return Change::kNone;
  return (number(to) > number(from)) == (traits.wider == WiderIs::kLarger) ? Change::kWider : Change::kNarrower;
}

Status ValidateLimits(const Limits& limits, const std::string& field) {
  for (const auto& [id, value] : limits) BULKHEAD_RETURN_IF_ERROR(CheckRange(TraitsOf(id.kind), value, field));
  for (const auto& [inner, outer, may_equal] : kPairs) {
    const auto low = limits.Number(inner), high = limits.Number(outer);
    if (!low || !high || *low < *high || (may_equal && *low == *high)) continue;
    return InvalidArgument(fmt::format("{}.{}: {} must be {} {} ({})", field, LimitName(inner), *low,
                                       may_equal ? "at most" : "below", LimitName(outer), *high));
  }
  if (limits.Number(LimitKind::kCpuBurst).value_or(0) > 0 && !limits.Has(LimitKind::kCpuMax))
    return InvalidArgument(fmt::format("{}.cpu.burst: needs cpu.max, on top of which it comes", field));
  if (limits.Number(LimitKind::kCpuIdle) == 1 && limits.Has(LimitKind::kCpuWeight))
    return InvalidArgument(fmt::format("{}.cpu.weight: an idle task has no weight: leave out one of the two", field));
  return Ok();
}

}  // namespace bulkhead
