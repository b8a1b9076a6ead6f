#include "agent/engine/observe.h"

#include <optional>

namespace bulkhead {
namespace {

// nullopt: there is no such cgroup (any more).
Result<std::optional<ObservedCgroup>> LookAt(CgroupTree& tree, const CgroupPath& path, const ObservedCgroup* known,
                                             const Asked& asked) {
  const auto info = tree.Info(path);
  if (info.status().code() == StatusCode::kNotFound) return std::optional<ObservedCgroup>();
  BULKHEAD_RETURN_IF_ERROR(info.status());
  Result<Limits> limits = Limits{};
  if (known && known->id == info->id) {
    std::vector<LimitId> ids;
    for (const auto& [id, value] : known->limits) ids.push_back(id);
    for (const auto& [id, value] : asked(path))
      if (!known->limits.Has(id)) ids.push_back(id);
    limits = tree.ReadLimits(path, ids);
  } else {
    limits = tree.ReadLimits(path);
  }
  return std::optional(ObservedCgroup{info->id, info->populated, limits.ok() ? *std::move(limits) : Limits{}});
}

Status ObserveMaps(PolicyMaps& maps, Observed& have) {
  BULKHEAD_ASSIGN(const auto bindings, maps.Bindings());
  for (const auto& [cgroup_id, binding] : bindings) have.SetBinding(cgroup_id, binding);
  BULKHEAD_ASSIGN(const auto policies, maps.Policies());
  for (const auto& [policy_id, hash] : policies) have.SetPolicy(policy_id, hash);
  BULKHEAD_ASSIGN(const auto addresses, maps.Addresses());
  for (const auto& [address, cgroup_id] : addresses) have.SetAddress(address, cgroup_id);
  return Ok();
}

}  // namespace

const LimitSpec* SpecAt(const DesiredState& desired, const CgroupPath& path) {
  if (const auto id = ParseTaskId(path.value); id.ok()) {
    const auto task = desired.tasks.find(*id);
    return task == desired.tasks.end() ? nullptr : &task->second.limits;
  }
  const auto tenant = desired.tenants.find({path.value});
  return tenant == desired.tenants.end() ? nullptr : &tenant->second.limits;
}

Status ObserveCgroups(CgroupTree& tree, const std::vector<CgroupPath>& paths, const Asked& asked, Observed& have) {
  for (const CgroupPath& path : paths) {
    const ObservedCgroup* known = have.Cgroup(path);
    BULKHEAD_ASSIGN(const auto now, LookAt(tree, path, known, asked));
    if (!now || (known && known->id != now->id)) have.EraseCgroup(path);  // made anew: nothing below survived
    if (now) have.SetCgroup(path, *now);
  }
  return Ok();
}

Result<Observed> ObserveAgain(CgroupTree& tree, PolicyMaps& maps, const Observed& before, const Asked& asked,
                              const std::function<bool(const CgroupPath&)>& whole) {
  Observed have;
  BULKHEAD_ASSIGN(const std::vector<CgroupPath> paths, tree.List());
  for (const CgroupPath& path : paths) {
    const ObservedCgroup* known = whole(path) ? nullptr : before.Cgroup(path);
    BULKHEAD_ASSIGN(const auto now, LookAt(tree, path, known, asked));
    if (now) have.SetCgroup(path, *now);
  }
  BULKHEAD_RETURN_IF_ERROR(ObserveMaps(maps, have));
  return have;
}

Result<Observed> ObserveAll(CgroupTree& tree, PolicyMaps& maps) {
  return ObserveAgain(tree, maps, {}, nullptr, [](const CgroupPath&) { return true; });
}

HostFacts FactsOf(const CgroupTree& tree, const PolicyMaps& maps, const Disks& disks) {
  return {.effective = [&tree](const CgroupPath& path, const Limits& wanted,
                               const Limits& above) { return tree.Effective(path, wanted, above); },
          .copied = tree.Copied(),
          .disks = disks,
          .max_tasks = maps.MaxTasks()};
}

}  // namespace bulkhead
