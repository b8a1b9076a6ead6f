#include "agent/plan/plan.h"

#include <algorithm>

#include <fmt/format.h>

namespace bulkhead {
namespace {

enum class Change { kWiden, kNarrow, kBoth };

bool Narrows(LimitKind kind, std::optional<uint64_t> from, std::optional<uint64_t> to) {
  return kind != LimitKind::kCpuWeight && to && (!from || *to < *from);
}

// One plan in the making. Holds what the steps so far will have changed in `have`.
class Planner {
 public:
  Planner(const DesiredState& want, const std::map<TaskId, HashedPolicy>& policies, const Observed& have,
          const PlanScope& scope, const HostFacts& host)
      : want_(want), policies_(policies), have_(have), scope_(scope), host_(host) {}

  Result<std::vector<Step>> Make() {
    if (scope_.everything || scope_.leftovers) DropDangling();
    for (const auto& [id, tenant] : want_.tenants)
      if (InScope(id)) PlanTenant(tenant);
    if (scope_.everything) {
      for (const auto& [id, task] : want_.tasks) BULKHEAD_RETURN_IF_ERROR(PlanTask(task));
    } else {
      for (const TaskId& id : scope_.tasks)
        if (const auto task = want_.tasks.find(id); task != want_.tasks.end())
          BULKHEAD_RETURN_IF_ERROR(PlanTask(task->second));
    }
    if (!scope_.widen_tenants_only)
      for (const auto& [id, tenant] : want_.tenants)
        if (InScope(id)) PlanLimits(PathOf(id), tenant.limits, Change::kNarrow);
    for (const TaskId& id : scope_.tasks)
      if (!want_.tasks.contains(id)) RemoveCgroupAt(PathOf(id), true);
    for (const TenantId& id : scope_.tenants)
      if (!want_.tenants.contains(id)) RemoveCgroupAt(PathOf(id), false);
    RetireUnused();
    return std::move(steps_);
  }

 private:
  bool InScope(const TenantId& id) const { return scope_.everything || scope_.tenants.contains(id); }
  void Add(Step step) { steps_.push_back(std::move(step)); }

  void DropDangling() {
    for (const auto& [cgroup_id, binding] : have_.bindings())
      if (!have_.HasCgroupId(cgroup_id)) Unbind({}, cgroup_id, binding);
    for (const auto& [address, cgroup_id] : have_.addresses())
      if (!have_.HasCgroupId(cgroup_id)) Add(ClearAddress{address});
  }

  void PlanTenant(const TenantSpec& tenant) {
    const CgroupPath path = PathOf(tenant.id);
    if (!have_.Cgroup(path)) Create(path);
    PlanLimits(path, tenant.limits, have_.Cgroup(path) ? Change::kWiden : Change::kBoth);
  }

  void Create(const CgroupPath& path) {
    Add(CreateCgroup{path});
    created_.insert(path);
  }

  void PlanLimits(const CgroupPath& path, const Limits& want, Change change) {
    const ObservedCgroup* cgroup = have_.Cgroup(path);
    if (!cgroup && change == Change::kNarrow) return;  // made in this plan: has them all
    for (LimitKind kind : kAllLimits) {
      if (host_.unsupported.contains(kind)) continue;
      const std::optional<uint64_t> held = cgroup ? cgroup->limits.Get(kind) : std::nullopt;
      const std::optional<uint64_t> effective = host_.effective(kind, want.Get(kind));
      if (effective == held) continue;
      if (change != Change::kBoth && Narrows(kind, held, effective) != (change == Change::kNarrow)) continue;
      Add(SetLimit{path, kind, want.Get(kind), held});
    }
  }

  Status PlanTask(const TaskSpec& task) {
    const CgroupPath path = PathOf(task.id);
    const CgroupPath tenant_path = PathOf(TenantId{task.id.tenant});
    if (const auto tenant = want_.tenants.find({task.id.tenant});
        tenant != want_.tenants.end() && !have_.Cgroup(tenant_path) && !created_.contains(tenant_path))
      PlanTenant(tenant->second);
    const ObservedCgroup* cgroup = have_.Cgroup(path);
    if (!cgroup) Create(path);
    PlanLimits(path, task.limits, Change::kBoth);
    BULKHEAD_RETURN_IF_ERROR(PlanBinding(task, cgroup, have_.Cgroup(tenant_path)));
    PlanAddresses(task, cgroup);
    return Ok();
  }

  Status PlanBinding(const TaskSpec& task, const ObservedCgroup* cgroup, const ObservedCgroup* tenant) {
    const auto wanted = policies_.find(task.id);
    if (wanted == policies_.end()) return Internal(task.id.ToString() + ": no compiled policy");
    const TaskBinding* held = cgroup ? have_.Binding(cgroup->id) : nullptr;
    const uint32_t policy_id = PolicyIdOf(wanted->second);
    if (held && tenant && *held == TaskBinding{tenant->id, policy_id, held->slot}) return Ok();
    uint32_t slot = held ? held->slot : have_.FreeSlot(next_slot_);
    if (!held) {
      if (slot >= host_.max_tasks)
        return ResourceExhausted(
            fmt::format("{}: the data plane holds {} tasks, all taken", task.id.ToString(), host_.max_tasks));
      next_slot_ = slot + 1;
    }
    Add(BindTask{PathOf(task.id), policy_id, slot, held == nullptr});
    ++use_change_[policy_id];
    if (held) --use_change_[held->policy_id];
    return Ok();
  }

  // Installs the policy when the kernel does not hold an equal one.
  uint32_t PolicyIdOf(const HashedPolicy& wanted) {
    if (const auto held = have_.PolicyWith(wanted.hash)) return *held;
    const auto [found, fresh] = installed_.try_emplace(wanted.hash, 0);
    if (fresh) {
      found->second = have_.FreePolicyId(next_policy_id_);
      next_policy_id_ = found->second + 1;
      Add(InstallPolicy{found->second, wanted.policy, wanted.hash});
    }
    return found->second;
  }

  void PlanAddresses(const TaskSpec& task, const ObservedCgroup* cgroup) {
    for (const IpAddress& address : task.addresses) {
      const auto owner = have_.OwnerOf(address);
      if (!cgroup || owner != cgroup->id) Add(SetAddress{address, PathOf(task.id)});
      claimed_.insert(address);
    }
    if (!cgroup) return;
    for (const IpAddress& address : have_.AddressesOf(cgroup->id)) Release(address);
  }

  // Unless another task in this plan has it now.
  void Release(const IpAddress& address) {
    if (!claimed_.contains(address)) Add(ClearAddress{address});
  }

  // A tenant holds no processes of its own: what lives in it is no task of ours and not ours to kill.
  void RemoveCgroupAt(const CgroupPath& path, bool kill) {
    const ObservedCgroup* cgroup = have_.Cgroup(path);
    if (!cgroup) return;
    if (kill) Add(KillCgroup{path});
    Add(RemoveCgroup{path});
    if (const TaskBinding* held = have_.Binding(cgroup->id)) Unbind(path, cgroup->id, *held);
    for (const IpAddress& address : have_.AddressesOf(cgroup->id)) Release(address);
  }

  void Unbind(const CgroupPath& path, uint64_t cgroup_id, const TaskBinding& held) {
    Add(UnbindTask{path, cgroup_id});
    --use_change_[held.policy_id];
  }

  void RetireUnused() {
    if (scope_.everything || scope_.leftovers)
      for (const auto& [policy_id, hash] : have_.policies()) use_change_.try_emplace(policy_id, 0);
    for (const auto& [policy_id, change] : use_change_)
      if (have_.policies().contains(policy_id) && static_cast<int64_t>(have_.UsersOf(policy_id)) + change <= 0)
        Add(RetirePolicy{policy_id});
  }

  const DesiredState& want_;
  const std::map<TaskId, HashedPolicy>& policies_;
  const Observed& have_;
  const PlanScope& scope_;
  const HostFacts& host_;

  std::vector<Step> steps_;
  std::set<CgroupPath> created_;
  std::map<CompiledPolicy::Hash, uint32_t> installed_;
  std::map<uint32_t, int64_t> use_change_;  // policy id → bindings gained or lost
  std::set<IpAddress> claimed_;
  uint32_t next_slot_ = 0;
  uint32_t next_policy_id_ = 1;  // 0 is no policy
};

}  // namespace

Result<std::vector<Step>> MakePlan(const DesiredState& want, const std::map<TaskId, HashedPolicy>& policies,
                                   const Observed& have, const PlanScope& scope, const HostFacts& host) {
  return Planner(want, policies, have, scope, host).Make();
}

}  // namespace bulkhead
