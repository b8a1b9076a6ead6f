#include "agent/kernel/limit_files.h"

#include <cerrno>

#include <fmt/format.h>

#include "agent/kernel/io_limits.h"
#include "agent/model/limit_host.h"

namespace bulkhead {
namespace {

constexpr uint64_t kSharesPerDefaultWeight = 1024;

struct Row {
  LimitKind kind;
  Controller controller;
  LimitFile v2;
  LimitFile v1;
};
using S = Spelling;
constexpr Row kRows[] = {
    {LimitKind::kCpuMax,
     Controller::kCpu,
     {"cpu.max", S::kQuotaAndPeriod},
     {"cpu.cfs_quota_us", S::kQuota, "cpu.cfs_period_us"}},
    {LimitKind::kCpuBurst, Controller::kCpu, {"cpu.max.burst", S::kPlain}, {"cpu.cfs_burst_us", S::kPlain}},
    {LimitKind::kCpuWeight, Controller::kCpu, {"cpu.weight", S::kWeight}, {"cpu.shares", S::kShares}},
    {LimitKind::kCpuIdle, Controller::kCpu, {"cpu.idle", S::kPlain}, {"cpu.idle", S::kPlain}},
    {LimitKind::kCpuCpus, Controller::kCpuset, {"cpuset.cpus", S::kList}, {"cpuset.cpus", S::kList}},
    {LimitKind::kCpuMems, Controller::kCpuset, {"cpuset.mems", S::kList}, {"cpuset.mems", S::kList}},
    {LimitKind::kMemoryMax,
     Controller::kMemory,
     {"memory.max", S::kOrMax},
     {"memory.limit_in_bytes", S::kBytesV1, "memory.memsw.limit_in_bytes"}},
    {LimitKind::kMemoryHigh,
     Controller::kMemory,
     {"memory.high", S::kOrMax},
     {"memory.soft_limit_in_bytes", S::kBytesV1}},
    {LimitKind::kMemoryLow, Controller::kMemory, {"memory.low", S::kOrMax}, {}},
    {LimitKind::kMemoryMin, Controller::kMemory, {"memory.min", S::kOrMax}, {}},
    {LimitKind::kSwapMax,
     Controller::kMemory,
     {"memory.swap.max", S::kOrMax},
     {"memory.memsw.limit_in_bytes", S::kBytesV1, "memory.limit_in_bytes"}},
    {LimitKind::kOomGroup, Controller::kMemory, {"memory.oom.group", S::kPlain}, {}},
    {LimitKind::kPidsMax, Controller::kPids, {"pids.max", S::kOrMax}, {"pids.max", S::kOrMax}},
    {LimitKind::kIoWeight, Controller::kIo, {"io.weight", S::kWeight}, {"blkio.bfq.weight", S::kBfqWeight}},
    {LimitKind::kIoReadBps, Controller::kIo, {"io.max", S::kDiskAndKey}, {"blkio.throttle.read_bps_device", S::kDisk}},
    {LimitKind::kIoWriteBps,
     Controller::kIo,
     {"io.max", S::kDiskAndKey},
     {"blkio.throttle.write_bps_device", S::kDisk}},
    {LimitKind::kIoReadIops,
     Controller::kIo,
     {"io.max", S::kDiskAndKey},
     {"blkio.throttle.read_iops_device", S::kDisk}},
    {LimitKind::kIoWriteIops,
     Controller::kIo,
     {"io.max", S::kDiskAndKey},
     {"blkio.throttle.write_iops_device", S::kDisk}},
    {LimitKind::kHugetlbMax,
     Controller::kHugetlb,
     {"hugetlb.{}.max", S::kOrMax},
     {"hugetlb.{}.limit_in_bytes", S::kBytesV1}},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < std::size(kRows); ++i)
    if (static_cast<size_t>(kRows[i].kind) != i) return false;
  return std::size(kRows) == kAllLimits.size();
}
static_assert(InOrder(), "kRows follows LimitKind");

const Row& RowOf(LimitKind kind) { return kRows[static_cast<size_t>(kind)]; }

std::string_view Strip(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

// As mm/hugetlb_cgroup.c names files: 2MB, 1GB, 64KB.
std::string KernelPageSize(uint64_t bytes) {
  if (bytes >= uint64_t{1} << 30U) return fmt::format("{}GB", bytes >> 30U);
  if (bytes >= uint64_t{1} << 20U) return fmt::format("{}MB", bytes >> 20U);
  return fmt::format("{}KB", bytes >> 10U);
}

Result<std::string> WeightToText(Spelling spelling, uint64_t weight) {
  if (weight < 1 || weight > 10'000) return Errno(ERANGE, fmt::format("write \"{}\"", weight));
  if (spelling == Spelling::kBfqWeight) weight = BfqFromWeight(weight);
  if (spelling == Spelling::kShares)
    weight = (weight * kSharesPerDefaultWeight + kDefaultCpuWeight / 2) / kDefaultCpuWeight;
  return std::to_string(weight);
}

Result<std::optional<LimitValue>> QuotaFromText(std::string_view quota, uint64_t period_usec) {
  if (quota == "max" || quota == "-1") return std::optional<LimitValue>();
  BULKHEAD_ASSIGN(const uint64_t quota_usec, NumberOf(quota));
  if (period_usec == 0) return Internal("CPU period of 0");
  if (period_usec == kCpuPeriodUsec) return std::optional<LimitValue>(quota_usec);
  return std::optional<LimitValue>(quota_usec * kCpuPeriodUsec / period_usec);
}

Result<std::optional<LimitValue>> ListFromText(std::string_view text) {
  BULKHEAD_ASSIGN(IndexSet set, IndexSet::Parse(std::string(text)));
  return set.empty() ? std::nullopt : std::optional<LimitValue>(std::move(set));
}

// The first line of io.weight is the default for all disks.
std::string_view FirstWeight(std::string_view text) {
  constexpr std::string_view kDefault = "default ";
  text = text.substr(0, text.find('\n'));
  if (text.starts_with(kDefault)) text.remove_prefix(kDefault.size());
  return text;
}

Result<std::optional<LimitValue>> NumberFromText(const LimitId& id, Spelling spelling, std::string_view text) {
  const LimitTraits& traits = TraitsOf(id.kind);
  if (text == "max") return traits.neutral ? std::optional<LimitValue>(MemoryCeiling(1)) : std::nullopt;
  BULKHEAD_ASSIGN(uint64_t value, NumberOf(text));
  // v1 spells "no limit" as the largest multiple of the page size, and so does v2 for huge pages that nobody limited
  // yet; pages that are not huge are at most 64 KiB.
  constexpr uint64_t kLargestPage = 65'536;
  if ((spelling == Spelling::kBytesV1 || IsOfPageSize(id.kind)) &&
      value >= MemoryCeiling(IsOfPageSize(id.kind) ? id.of : kLargestPage))
    return std::optional<LimitValue>();
  if (spelling == Spelling::kShares)
    value = (value * kDefaultCpuWeight + kSharesPerDefaultWeight / 2) / kSharesPerDefaultWeight;
  if (spelling == Spelling::kBfqWeight) value = WeightFromBfq(value);
  return value == traits.neutral ? std::nullopt : std::optional<LimitValue>(value);
}

}  // namespace

Controller ControllerOf(LimitKind kind) { return RowOf(kind).controller; }

LimitFile LimitFileOf(LimitKind kind, bool v2) { return v2 ? RowOf(kind).v2 : RowOf(kind).v1; }

LimitFile BfqWeightFile(bool v2) { return {v2 ? "io.bfq.weight" : "blkio.bfq.weight", Spelling::kBfqWeight}; }

std::string FileNameOf(const LimitFile& file, const LimitId& id) {
  return IsOfPageSize(id.kind) ? fmt::format(fmt::runtime(file.value), KernelPageSize(id.of)) : file.value;
}

Result<std::string> LimitToText(const LimitId& id, const LimitFile& file, const std::optional<LimitValue>& value) {
  const auto number_or = [&](const char* none) { return value ? std::to_string(value->number()) : std::string(none); };
  switch (file.spelling) {
    case Spelling::kQuotaAndPeriod:
      return number_or("max") + " " + std::to_string(kCpuPeriodUsec);
    case Spelling::kQuota:
    case Spelling::kBytesV1:
      return number_or("-1");
    case Spelling::kWeight:
    case Spelling::kShares:
    case Spelling::kBfqWeight:
      return WeightToText(file.spelling, value ? value->number() : *TraitsOf(id.kind).neutral);
    case Spelling::kOrMax:
      return number_or(TraitsOf(id.kind).neutral ? "0" : "max");
    case Spelling::kPlain:
      return number_or("0");
    case Spelling::kDiskAndKey:
    case Spelling::kDisk:
      return IoToText(id, value, file.spelling == Spelling::kDiskAndKey);
    case Spelling::kList:
      break;
  }
  return value ? value->set().ToString() : std::string("\n");  // an empty write would never reach the kernel
}

Result<std::optional<LimitValue>> LimitFromText(const LimitId& id, const LimitFile& file, std::string_view text,
                                                uint64_t period) {
  text = Strip(text);
  switch (file.spelling) {
    case Spelling::kList:
      return ListFromText(text);
    case Spelling::kQuota:
      return QuotaFromText(text, period);
    case Spelling::kQuotaAndPeriod: {
      const size_t space = text.find(' ');
      if (space == std::string_view::npos) return Internal(fmt::format("\"{}\" is not \"quota period\"", text));
      BULKHEAD_ASSIGN(period, NumberOf(text.substr(space + 1)));
      return QuotaFromText(text.substr(0, space), period);
    }
    case Spelling::kDiskAndKey:
    case Spelling::kDisk: {
      Limits limits;
      BULKHEAD_RETURN_IF_ERROR(IoFromText(text, file.spelling == Spelling::kDiskAndKey, id.kind, limits));
      return limits.Get(id);
    }
    case Spelling::kWeight:
    case Spelling::kBfqWeight:
      return NumberFromText(id, file.spelling, FirstWeight(text));
    default:
      return NumberFromText(id, file.spelling, text);
  }
}

}  // namespace bulkhead
