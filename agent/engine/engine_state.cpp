// What is true now, from the kernel.
#include <set>

#include <fmt/format.h>

#include "agent/engine/engine.h"

namespace bulkhead {
namespace {

// Something is not as it should be.
void Miss(ObjectState& state, Enforcement to, const std::string& reason) {
  state.enforcement = std::max(state.enforcement, to);
  state.reasons.push_back(reason);
  state.walls_missing = true;
}

// A limit that is to come is not as wanted yet.
Enforcement Seen(Enforcement enforcement) {
  return enforcement == Enforcement::kPending ? Enforcement::kDegraded : enforcement;
}

}  // namespace

// What the kernel should hold there.
Limits Engine::EffectiveAt(const CgroupPath& path) const {
  const auto asked = AskedIn(desired_);
  Limits above;
  if (const auto task = ParseTaskId(path.value); task.ok()) {
    const CgroupPath tenant = PathOf(TenantId{task->tenant});
    above = parts_.tree.Effective(tenant, asked(tenant), {});
  }
  return parts_.tree.Effective(path, asked(path), above);
}

// The task's, with those of its tenant and of the top cgroup.
OverallLimits Engine::OverallAt(const CgroupPath& path, const Limits& held) const {
  std::vector<LimitLevel> levels{{ParseTaskId(path.value).ok() ? "task" : "tenant", held}};
  if (const auto task = ParseTaskId(path.value); task.ok())
    if (const ObservedCgroup* tenant = have_.Cgroup(PathOf(TenantId{task->tenant})))
      levels.push_back({"tenant", tenant->limits});
  levels.push_back({"host", top_limits_});
  return Overall(levels);
}

void Engine::JudgeLimits(const CgroupPath& path, const Limits& effective, const Limits& held,
                         ObjectState& state) const {
  state.effective_limits = held;
  std::set<LimitId> ids;
  for (const Limits* limits : {&effective, &held})
    for (const auto& [id, value] : *limits) ids.insert(id);
  for (const LimitId& id : ids)
    if (held.Get(id) != effective.Get(id) && !JudgeShrink(path, id, held.Get(id), state))
      Miss(state, Enforcement::kDegraded,
           fmt::format("{}: the kernel holds {}, wanted is {}", ToString(id), ToString(id, held.Get(id)),
                       ToString(id, effective.Get(id))));
  JudgeProtection(path, effective, state);
  const Limits wanted = AskedIn(desired_)(path);
  for (const auto& [id, value] : wanted) {
    const LimitSupport support = parts_.tree.Supports(path, id, wanted);
    if (support.why.empty()) continue;
    state.enforcement = std::max(state.enforcement, Enforcement::kDegraded);
    state.reasons.push_back(fmt::format(
        "{}: {}: {}", ToString(id),
        support.level == LimitSupport::Level::kNone ? "this host cannot enforce it" : "enforced in part", support.why));
  }
  const LimitSpec* spec = SpecAt(desired_, path);
  for (size_t i = 0; spec && i < spec->io.size(); ++i)
    if (const auto why = diskless_.find(spec->io[i].path); why != diskless_.end())
      Miss(state, Enforcement::kDegraded, fmt::format("io[{}].path: {}", i, why->second));
}

ObjectState Engine::StateOfCgroup(const ObjectKey& key, const CgroupPath& path) const {
  ObjectState state;
  const auto info = parts_.tree.Info(path);
  if (!info.ok()) {
    Miss(state, Enforcement::kFailed, "cgroup: " + Message(info.status()));
    return state;
  }
  state.cgroup_id = info->id;
  state.populated = info->populated;
  const Limits effective = EffectiveAt(path);
  std::vector<LimitId> ids;
  for (const auto& [id, value] : effective) ids.push_back(id);
  if (const ObservedCgroup* known = have_.Cgroup(path))
    for (const auto& [id, value] : known->limits)
      if (!effective.Has(id)) ids.push_back(id);
  const auto held = parts_.tree.ReadLimits(path, ids);
  if (held.ok()) {
    JudgeLimits(path, effective, *held, state);
    state.overall = OverallAt(path, *held);
  } else {
    Miss(state, Enforcement::kDegraded, "limits: " + Message(held.status()));
  }
  for (const auto* reasons : {&removing_, &failures_})
    if (const auto reason = reasons->find(key); reason != reasons->end())
      Miss(state, Enforcement::kDegraded, reason->second);
  return state;
}

ObjectState Engine::StateOf(const TenantId& tenant) const {
  const auto spec = desired_.tenants.find(tenant);
  ObjectState state = StateOfCgroup({"tenant", tenant.name}, PathOf(tenant));
  if (spec == desired_.tenants.end()) {
    Miss(state, Enforcement::kFailed, "no such tenant");
    return state;
  }
  std::vector<Limits> tasks;
  for (auto at = desired_.tasks.lower_bound({tenant.name, ""});
       at != desired_.tasks.end() && at->first.tenant == tenant.name; ++at)
    tasks.push_back(EffectiveAt(PathOf(at->first)));
  state.over_commits = OverCommits(EffectiveAt(PathOf(tenant)), tasks);
  return state;
}

ObjectState Engine::StateOf(const TaskId& task) const {
  const auto spec = desired_.tasks.find(task);
  ObjectState state = StateOfCgroup({"task", task.ToString()}, PathOf(task));
  if (spec == desired_.tasks.end()) {
    Miss(state, Enforcement::kFailed, "no such task");
    return state;
  }
  if (const auto uid = uids_.find(task); uid != uids_.end()) state.uid = uid->second;
  if (state.cgroup_id == 0) return state;
  const ObservedCgroup* known = have_.Cgroup(PathOf(task));
  if (!known || known->id != state.cgroup_id || !have_.Binding(known->id))
    Miss(state, Enforcement::kFailed, "network: no policy is bound, every packet is dropped");
  if (const Status attached = parts_.maps.CheckAttached(); !attached.ok())
    Miss(state, Enforcement::kFailed, "network: " + Message(attached));
  return state;
}

LastSeen Engine::LastSeenOf(const TenantId& tenant) const {
  const ObservedCgroup* cgroup = have_.Cgroup(PathOf(tenant));
  if (!cgroup) return {.enforcement = Enforcement::kFailed};
  ObjectState state;
  JudgeLimits(PathOf(tenant), EffectiveAt(PathOf(tenant)), cgroup->limits, state);
  if (failures_.contains({"tenant", tenant.name})) Miss(state, Enforcement::kDegraded, "");
  return {Seen(state.enforcement), cgroup->limits};
}

LastSeen Engine::LastSeenOf(const TaskId& task) const {
  const ObservedCgroup* cgroup = have_.Cgroup(PathOf(task));
  if (!cgroup) return {.enforcement = Enforcement::kFailed};
  ObjectState state;
  JudgeLimits(PathOf(task), EffectiveAt(PathOf(task)), cgroup->limits, state);
  if (failures_.contains({"task", task.ToString()})) Miss(state, Enforcement::kDegraded, "");
  if (!have_.Binding(cgroup->id) || failures_.contains({"node", "network"})) Miss(state, Enforcement::kFailed, "");
  return {Seen(state.enforcement), cgroup->limits};
}

ObjectState Engine::NodeState() const {
  ObjectState state;
  const auto root = parts_.tree.Root();
  if (root.ok()) {
    state.cgroup_id = root->id;
    state.populated = root->populated;
  } else {
    Miss(state, Enforcement::kFailed, "top cgroup: " + Message(root.status()));
  }
  if (const Status attached = parts_.maps.CheckAttached(); !attached.ok())
    Miss(state, Enforcement::kFailed, "network: " + Message(attached));
  for (const auto* reasons : {&removing_, &failures_})
    for (const auto& [key, message] : *reasons)
      Miss(state, Enforcement::kDegraded,
           key.kind == "node" ? message : fmt::format("{} {}: {}", key.kind, key.name, message));
  if (const auto strangers = Strangers(); !strangers.empty())
    Miss(state, Enforcement::kDegraded,
         fmt::format("{} cgroups are no tenant or task that this agent knows ({}): they keep the walls they have; "
                     "apply their manifests again, or end their processes and remove them",
                     strangers.size(), strangers.front().value));
  return state;
}

std::vector<CgroupPath> Engine::Strangers() const {
  std::vector<CgroupPath> strangers;
  for (const auto& [path, cgroup] : have_.cgroups()) {
    const auto task = ParseTaskId(path.value);
    const bool known = task.ok() ? desired_.tasks.contains(*task) : desired_.tenants.contains({path.value});
    if (!known) strangers.push_back(path);
  }
  return strangers;
}

}  // namespace bulkhead
