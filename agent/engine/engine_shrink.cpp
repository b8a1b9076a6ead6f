// Limits on memory that are lowered below what is in use, and guarantees of it.
#include <algorithm>

#include <fmt/format.h>

#include "agent/engine/engine.h"

namespace bulkhead {

bool Engine::MayReclaim(const CgroupPath& path, uint64_t limit, uint64_t in_use) {
  const BootTime now = parts_.clock.Boot();
  Shrink& shrink = shrinks_.try_emplace(path, Shrink{limit, in_use, now}).first->second;
  if (shrink.limit != limit) shrink = {limit, in_use, now};
  shrink.in_use = in_use;
  const LimitSpec* spec = SpecAt(desired_, path);
  return now - shrink.since <= (spec ? spec->shrink_deadline : LimitSpec::kShrinkDeadline);
}

// Those that came to their end, or that nobody wants any more.
void Engine::ForgetShrinks() {
  std::erase_if(shrinks_, [this](const auto& entry) {
    const ObservedCgroup* cgroup = have_.Cgroup(entry.first);
    const auto held = cgroup ? cgroup->limits.Number(LimitKind::kMemoryMax) : std::nullopt;
    return !cgroup || held == entry.second.limit ||
           EffectiveAt(entry.first).Number(LimitKind::kMemoryMax) != entry.second.limit;
  });
}

// True: that the limit is not as wanted is because memory is being taken back.
bool Engine::JudgeShrink(const CgroupPath& path, const LimitId& id, const std::optional<LimitValue>& held,
                         ObjectState& state) const {
  const auto shrink = shrinks_.find(path);
  if (shrink == shrinks_.end()) return false;
  if (id.kind == LimitKind::kMemoryHigh) return true;  // presses
  if (id.kind != LimitKind::kMemoryMax) return false;
  const LimitSpec* spec = SpecAt(desired_, path);
  const auto deadline = spec ? spec->shrink_deadline : LimitSpec::kShrinkDeadline;
  const auto took = std::chrono::duration_cast<std::chrono::seconds>(parts_.clock.Boot() - shrink->second.since);
  const bool over = parts_.clock.Boot() - shrink->second.since > deadline;
  state.enforcement = std::max(state.enforcement, Enforcement::kPending);
  state.walls_missing = true;
  state.reasons.push_back(fmt::format(
      "memory.max: {} stays until what is in use, {}, fits into {}: {}", ToString(id, held), shrink->second.in_use,
      shrink->second.limit,
      over ? fmt::format("the kernel could not reclaim as much within {} s; end processes of it, or apply it with "
                         "on_shrink: force, which may kill",
                         std::chrono::duration_cast<std::chrono::seconds>(deadline).count())
           : fmt::format("being reclaimed for {} s", took.count())));
  return true;
}

// What the levels above are not protected for is no protection: neither a task's beyond its tenant's, nor a tenant's
// beyond that of the top cgroup, which is not ours to give.
void Engine::JudgeProtection(const CgroupPath& path, const Limits& effective, ObjectState& state) const {
  const auto task = ParseTaskId(path.value);
  const Limits tenant = task.ok() ? EffectiveAt(PathOf(TenantId{task->tenant})) : Limits{};
  for (const LimitKind kind : {LimitKind::kMemoryLow, LimitKind::kMemoryMin}) {
    const uint64_t own = effective.Number(kind).value_or(0), top = top_limits_.Number(kind).value_or(0);
    const bool by_tenant = task.ok() && tenant.Number(kind).value_or(0) <= top;
    const uint64_t outer = by_tenant ? tenant.Number(kind).value_or(0) : top;
    if (own <= outer) continue;
    state.enforcement = std::max(state.enforcement, Enforcement::kDegraded);
    state.reasons.push_back(fmt::format(
        "{}: enforced in part: {} is protected for {} bytes only, of the {} here{}", LimitName(kind),
        by_tenant ? "tenant " + task->tenant : "the top cgroup", outer, own,
        by_tenant ? ""
                  : ": set it there and above, on systemd hosts MemoryLow= or MemoryMin= of the tenants' slice and "
                    "service"));
  }
}

}  // namespace bulkhead
