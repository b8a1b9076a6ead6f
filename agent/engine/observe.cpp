#include "agent/engine/observe.h"

namespace bulkhead {

Status ObserveCgroups(CgroupTree& tree, const std::vector<CgroupPath>& paths, Observed& have) {
  for (const CgroupPath& path : paths) {
    const auto info = tree.Info(path);
    if (!info.ok() && info.status().code() != StatusCode::kNotFound) return info.status();
    const ObservedCgroup* known = have.Cgroup(path);
    if (!info.ok() || (known && known->id != info->id)) have.EraseCgroup(path);  // made anew: nothing below survived
    if (!info.ok()) continue;
    const auto limits = tree.ReadLimits(path);
    have.SetCgroup(path, {info->id, info->populated, limits.ok() ? *limits : Limits{}});
  }
  return Ok();
}

Result<Observed> ObserveAll(CgroupTree& tree, PolicyMaps& maps) {
  Observed have;
  BULKHEAD_ASSIGN(const std::vector<CgroupPath> paths, tree.List());
  BULKHEAD_RETURN_IF_ERROR(ObserveCgroups(tree, paths, have));
  BULKHEAD_ASSIGN(const auto bindings, maps.Bindings());
  for (const auto& [cgroup_id, binding] : bindings) have.SetBinding(cgroup_id, binding);
  BULKHEAD_ASSIGN(const auto policies, maps.Policies());
  for (const auto& [policy_id, hash] : policies) have.SetPolicy(policy_id, hash);
  BULKHEAD_ASSIGN(const auto addresses, maps.Addresses());
  for (const auto& [address, cgroup_id] : addresses) have.SetAddress(address, cgroup_id);
  return have;
}

HostFacts FactsOf(const CgroupTree& tree, const PolicyMaps& maps) {
  HostFacts facts;
  facts.effective = [&tree](LimitKind kind, std::optional<uint64_t> value) { return tree.Effective(kind, value); };
  for (LimitKind kind : kAllLimits)
    if (!tree.Unsupported(kind).empty()) facts.unsupported.insert(kind);
  facts.max_tasks = maps.MaxTasks();
  return facts;
}

}  // namespace bulkhead
