// What is true now, from the kernel.
#include <fmt/format.h>

#include "agent/engine/engine.h"

namespace bulkhead {
namespace {

void Degrade(ObjectState& state, Enforcement to, const std::string& reason) {
  state.enforcement = std::max(state.enforcement, to);
  state.reasons.push_back(reason);
}

std::string Text(LimitKind kind, std::optional<uint64_t> value) {
  if (value) return std::to_string(*value);
  return kind == LimitKind::kCpuWeight ? std::to_string(kDefaultCpuWeight) : "max";
}

}  // namespace

void Engine::JudgeLimits(const Limits& wanted, const Limits& held, ObjectState& state) const {
  state.effective_limits = held;
  for (LimitKind kind : kAllLimits) {
    const std::string why = parts_.tree.Unsupported(kind);
    if (wanted.Get(kind) && !why.empty()) {
      Degrade(state, Enforcement::kDegraded, fmt::format("{}: this host cannot enforce it: {}", LimitName(kind), why));
      continue;
    }
    const auto effective = parts_.tree.Effective(kind, wanted.Get(kind));
    if (why.empty() && held.Get(kind) != effective)
      Degrade(state, Enforcement::kDegraded,
              fmt::format("{}: the kernel holds {}, wanted is {}", LimitName(kind), Text(kind, held.Get(kind)),
                          Text(kind, effective)));
  }
}

ObjectState Engine::StateOfCgroup(const ObjectKey& key, const CgroupPath& path, const Limits& wanted) const {
  ObjectState state;
  const auto info = parts_.tree.Info(path);
  if (!info.ok()) {
    Degrade(state, Enforcement::kFailed, "cgroup: " + Message(info.status()));
    return state;
  }
  state.cgroup_id = info->id;
  state.populated = info->populated;
  const auto limits = parts_.tree.ReadLimits(path);
  if (limits.ok())
    JudgeLimits(wanted, *limits, state);
  else
    Degrade(state, Enforcement::kDegraded, "limits: " + Message(limits.status()));
  for (const auto* reasons : {&removing_, &failures_})
    if (const auto reason = reasons->find(key); reason != reasons->end())
      Degrade(state, Enforcement::kDegraded, reason->second);
  return state;
}

ObjectState Engine::StateOf(const TenantId& tenant) const {
  const auto spec = desired_.tenants.find(tenant);
  ObjectState state = StateOfCgroup({"tenant", tenant.name}, PathOf(tenant),
                                    spec == desired_.tenants.end() ? Limits{} : spec->second.limits);
  if (spec == desired_.tenants.end()) Degrade(state, Enforcement::kFailed, "no such tenant");
  return state;
}

ObjectState Engine::StateOf(const TaskId& task) const {
  const auto spec = desired_.tasks.find(task);
  ObjectState state = StateOfCgroup({"task", task.ToString()}, PathOf(task),
                                    spec == desired_.tasks.end() ? Limits{} : spec->second.limits);
  if (spec == desired_.tasks.end()) {
    Degrade(state, Enforcement::kFailed, "no such task");
    return state;
  }
  if (const auto uid = uids_.find(task); uid != uids_.end()) state.uid = uid->second;
  if (state.cgroup_id == 0) return state;
  const ObservedCgroup* known = have_.Cgroup(PathOf(task));
  if (!known || known->id != state.cgroup_id || !have_.Binding(known->id))
    Degrade(state, Enforcement::kFailed, "network: no policy is bound, every packet is dropped");
  if (const Status attached = parts_.maps.CheckAttached(); !attached.ok())
    Degrade(state, Enforcement::kFailed, "network: " + Message(attached));
  return state;
}

LastSeen Engine::LastSeenOf(const TenantId& tenant) const {
  const ObservedCgroup* cgroup = have_.Cgroup(PathOf(tenant));
  if (!cgroup) return {.enforcement = Enforcement::kFailed};
  ObjectState state;
  JudgeLimits(desired_.tenants.at(tenant).limits, cgroup->limits, state);
  if (failures_.contains({"tenant", tenant.name})) Degrade(state, Enforcement::kDegraded, "");
  return {state.enforcement, cgroup->limits};
}

LastSeen Engine::LastSeenOf(const TaskId& task) const {
  const ObservedCgroup* cgroup = have_.Cgroup(PathOf(task));
  if (!cgroup) return {.enforcement = Enforcement::kFailed};
  ObjectState state;
  JudgeLimits(desired_.tasks.at(task).limits, cgroup->limits, state);
  if (failures_.contains({"task", task.ToString()})) Degrade(state, Enforcement::kDegraded, "");
  if (!have_.Binding(cgroup->id) || failures_.contains({"node", "network"})) Degrade(state, Enforcement::kFailed, "");
  return {state.enforcement, cgroup->limits};
}

ObjectState Engine::NodeState() const {
  ObjectState state;
  const auto root = parts_.tree.Root();
  if (root.ok()) {
    state.cgroup_id = root->id;
    state.populated = root->populated;
  } else {
    Degrade(state, Enforcement::kFailed, "top cgroup: " + Message(root.status()));
  }
  if (const Status attached = parts_.maps.CheckAttached(); !attached.ok())
    Degrade(state, Enforcement::kFailed, "network: " + Message(attached));
  for (const auto* reasons : {&removing_, &failures_})
    for (const auto& [key, message] : *reasons)
      Degrade(state, Enforcement::kDegraded,
              key.kind == "node" ? message : fmt::format("{} {}: {}", key.kind, key.name, message));
  if (const auto strangers = Strangers(); !strangers.empty())
    Degrade(state, Enforcement::kDegraded,
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
