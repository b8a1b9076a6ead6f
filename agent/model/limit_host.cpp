#include "agent/model/limit_host.h"

#include <algorithm>
#include <climits>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bulkhead {
namespace {

using Level = LimitSupport::Level;

constexpr LimitKind kCpusets[] = {LimitKind::kCpuCpus, LimitKind::kCpuMems};
constexpr uint64_t kBfqStep = 11;  // (10000 - 100) / (1000 - 100)

bool CannotAtAll(const LimitHost& host, Tier tier, const LimitId& id, const Limits& with) {
  return SupportOn(host, tier, id, with).level == Level::kNone;
}

// The unit in which the kernel counts the bytes of a limit; 0: it keeps every number.
uint64_t UnitOf(const LimitHost& host, const LimitId& id) {
  constexpr LimitKind kInPages[] = {LimitKind::kMemoryMax, LimitKind::kMemoryHigh, LimitKind::kMemoryLow,
                                    LimitKind::kMemoryMin, LimitKind::kSwapMax};
  if (IsOfPageSize(id.kind)) return id.of;
  return std::find(std::begin(kInPages), std::end(kInPages), id.kind) != std::end(kInPages) ? host.page_size : 0;
}

LimitSupport SupportOfDisks(const LimitHost& host, Tier tier, LimitKind kind) {
  if (!host.io_v1) return {};
  if (tier == Tier::kTenant)
    return {Level::kNone, "cgroup v1 does not add up the I/O of a tenant's tasks: limit the tasks"};
  if (kind == LimitKind::kIoWriteBps || kind == LimitKind::kIoWriteIops)
    return {Level::kWeak, "cgroup v1 does not count what the page cache writes back later"};
  return {};
}

LimitSupport SupportOfHugePages(const LimitHost& host, uint64_t size) {
  if (host.huge_pages.contains(size)) return {};
  std::vector<std::string> sizes;
  for (const uint64_t known : host.huge_pages) sizes.push_back(PageSizeName(known));
  return {Level::kNone, fmt::format("this host has no huge pages of {}; it has {}", PageSizeName(size),
                                    sizes.empty() ? "none" : fmt::format("{}", fmt::join(sizes, ", ")))};
}

void AddSwapOfV1(const LimitHost& host, Tier tier, const Limits& wanted, Limits& effective) {
  if (effective.Has(LimitKind::kMemoryMax) && !wanted.Has(LimitKind::kSwapMax) &&
      !CannotAtAll(host, tier, LimitKind::kSwapMax, wanted))
    effective.Set(LimitKind::kSwapMax, 0);
}

void AddSetsOfV1(const LimitHost& host, Tier tier, const Limits& wanted, const Limits& above, Limits& effective) {
  for (const LimitKind kind : kCpusets) {
    if (CannotAtAll(host, tier, kind, wanted)) continue;
    if (!effective.Has(kind)) effective.Set(kind, above.Get(kind));
    const LimitValue* set = effective.Find(kind);
    if (set && set->set() == (kind == LimitKind::kCpuCpus ? host.cpus : host.mems)) effective.Set(kind, std::nullopt);
  }
}

}  // namespace

uint64_t MemoryCeiling(uint64_t page_size) { return static_cast<uint64_t>(LONG_MAX) / page_size * page_size; }

uint64_t BfqFromWeight(uint64_t weight) {
  return weight <= kDefaultIoWeight ? weight : kDefaultIoWeight + (weight - kDefaultIoWeight) / kBfqStep;
}

uint64_t WeightFromBfq(uint64_t weight) {
  return weight <= kDefaultIoWeight ? weight : kDefaultIoWeight + (weight - kDefaultIoWeight) * kBfqStep;
}

std::optional<LimitValue> EffectiveLimit(const LimitHost& host, const LimitId& id,
                                         const std::optional<LimitValue>& value) {
  const LimitTraits& traits = TraitsOf(id.kind);
  if (!value || traits.shape == LimitShape::kSet) return value;
  uint64_t number = value->number();
  if (const uint64_t unit = UnitOf(host, id); unit != 0) {
    if (!traits.neutral && number >= MemoryCeiling(unit)) return std::nullopt;
    number = number / unit * unit;
  }
  if (id.kind == LimitKind::kIoWeight && host.bfq_weight) number = WeightFromBfq(BfqFromWeight(number));
  return number == traits.neutral ? std::nullopt : std::optional<LimitValue>(number);
}

std::set<LimitKind> CopiedOn(const LimitHost& host) {
  return host.cpuset_v1 ? std::set<LimitKind>(std::begin(kCpusets), std::end(kCpusets)) : std::set<LimitKind>{};
}

LimitSupport SupportOn(const LimitHost& host, Tier tier, const LimitId& id, const Limits& with) {
  if (const auto found = host.weaker.find(id.kind); found != host.weaker.end()) return found->second;
  if (id.kind == LimitKind::kSwapMax && host.memory_v1 && !with.Has(LimitKind::kMemoryMax))
    return {Level::kNone, "cgroup v1 limits swap only together with memory.max"};
  if (IsOfDisk(id.kind)) return SupportOfDisks(host, tier, id.kind);
  if (IsOfPageSize(id.kind)) return SupportOfHugePages(host, id.of);
  return {};
}

Limits EffectiveOn(const LimitHost& host, Tier tier, const Limits& wanted, const Limits& above) {
  Limits effective;
  for (const auto& [id, value] : wanted)
    if (!CannotAtAll(host, tier, id, wanted)) effective.Set(id, EffectiveLimit(host, id, value));
  if (effective.Has(LimitKind::kCpuIdle)) effective.Set(LimitKind::kCpuWeight, std::nullopt);
  if (host.memory_v1) AddSwapOfV1(host, tier, wanted, effective);
  if (host.cpuset_v1) AddSetsOfV1(host, tier, wanted, above, effective);
  return effective;
}

}  // namespace bulkhead
