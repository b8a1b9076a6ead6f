#include "agent/plan/limits_plan.h"

#include <algorithm>

namespace bulkhead {
namespace {

// `kind` changes beside `partner`: narrowing before it and widening after it, or the other way round.
struct Beside {
  LimitKind kind;
  LimitKind partner;
  bool narrows_first;
};
constexpr Beside kBeside[] = {{LimitKind::kCpuBurst, LimitKind::kCpuMax, true},
                              {LimitKind::kMemoryHigh, LimitKind::kMemoryMax, true},
                              {LimitKind::kCpuIdle, LimitKind::kCpuWeight, false}};

int Rank(const SetLimit& step) {
  const auto place = [](LimitKind kind) { return 2 * static_cast<int>(kind); };
  for (const auto& [kind, partner, narrows_first] : kBeside) {
    if (step.id.kind != kind) continue;
    const bool narrows = ChangeOf(kind, step.previous, step.value) == Change::kNarrower;
    return place(partner) + (narrows == narrows_first ? -1 : 1);
  }
  return place(step.id.kind);
}

LimitValue Both(const LimitValue& one, const LimitValue& other) { return one.set().Union(other.set()); }

}  // namespace

std::vector<SetLimit> PlanLimits(const CgroupPath& path, const LimitChange& change, Part part,
                                 const std::set<LimitKind>& copied) {
  std::vector<SetLimit> steps;
  const auto consider = [&](const LimitId& id) {
    auto held = change.held.Get(id);
    auto wanted = change.effective.Get(id);
    if (held == wanted) return;
    const Change way = ChangeOf(id.kind, held, wanted);
    const bool is_set = TraitsOf(id.kind).shape == LimitShape::kSet;
    const bool narrows = way == Change::kNarrower || (is_set && way == Change::kOther);
    const bool in_two_steps = way == Change::kOther && copied.contains(id.kind);
    if (part == Part::kNarrowing && !narrows) return;
    if (part == Part::kWidening && narrows && !in_two_steps) return;
    if (part == Part::kWidening && in_two_steps) wanted = Both(*held, *wanted);
    if (part == Part::kNarrowing && in_two_steps) held = Both(*held, *wanted);
    steps.push_back({path, id, std::move(wanted), std::move(held), {}});
  };
  for (const auto& [id, value] : change.effective) consider(id);
  for (const auto& [id, value] : change.held)
    if (!change.effective.Has(id)) consider(id);
  std::stable_sort(steps.begin(), steps.end(), [](const SetLimit& a, const SetLimit& b) { return Rank(a) < Rank(b); });
  return steps;
}

}  // namespace bulkhead
