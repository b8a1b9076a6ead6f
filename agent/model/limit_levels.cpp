#include "agent/model/limit_levels.h"

#include <algorithm>
#include <optional>

namespace bulkhead {
namespace {

// A bound, or a protection, which the level above bounds in the same way.
bool IsBound(LimitKind kind) {
  const LimitTraits& traits = TraitsOf(kind);
  return kind != LimitKind::kCpuBurst && (traits.wider == WiderIs::kLarger || traits.wider == WiderIs::kSuperset);
}

std::optional<LimitValue> Narrower(LimitKind kind, const std::optional<LimitValue>& inner,
                                   const std::optional<LimitValue>& outer) {
  if (TraitsOf(kind).shape == LimitShape::kSet && inner && outer) {
    IndexSet both = inner->set().Intersection(outer->set());
    return both.empty() ? outer : std::optional<LimitValue>(std::move(both));
  }
  return ChangeOf(kind, inner, outer) == Change::kNarrower ? outer : inner;
}

}  // namespace

OverallLimits Overall(const std::vector<LimitLevel>& levels) {
  OverallLimits overall;
  for (const LimitLevel& level : levels) {
    const bool innermost = &level == &levels.front();
    std::vector<LimitId> ids;
    for (const auto& [id, value] : level.limits) ids.push_back(id);
    for (const auto& [id, value] : overall.limits)
      if (!level.limits.Has(id)) ids.push_back(id);
    for (const LimitId& id : ids) {
      if (!IsBound(id.kind)) continue;
      const auto known = overall.limits.Get(id);
      const auto now = innermost ? level.limits.Get(id) : Narrower(id.kind, known, level.limits.Get(id));
      if (now == known) continue;
      overall.limits.Set(id, now);
      if (!innermost) overall.decided_by[id] = level.name;
    }
  }
  return overall;
}

std::vector<OverCommit> OverCommits(const Limits& tenant, const std::vector<Limits>& tasks) {
  std::vector<OverCommit> commits;
  for (const auto& [id, value] : tenant) {
    if (!IsBound(id.kind) || TraitsOf(id.kind).shape != LimitShape::kNumber) continue;
    const bool protects = TraitsOf(id.kind).neutral.has_value();
    uint64_t sum = 0;
    for (const Limits& task : tasks) {
      const uint64_t own = task.Number(id).value_or(protects ? 0 : value.number());
      sum = own > UINT64_MAX - sum ? UINT64_MAX : sum + own;
    }
    if (sum > value.number()) commits.push_back({id, value.number(), sum});
  }
  return commits;
}

uint64_t GuaranteedMemory(const Limits& limits) {
  return std::max(limits.Number(LimitKind::kMemoryMin).value_or(0), limits.Number(LimitKind::kMemoryLow).value_or(0));
}

}  // namespace bulkhead
