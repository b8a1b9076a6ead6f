#include "agent/plan/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/plan/limits_plan.h"

namespace bulkhead {
namespace {

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
      for (const auto& [id, tenant] : want_.tenants) {
        if (!InScope(id)) continue;
        PlanCopies(tenant);
        if (have_.Cgroup(PathOf(id))) PlanTenantLimits(tenant, Part::kNarrowing);
      }
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
    PlanTenantLimits(tenant, have_.Cgroup(path) ? Part::kWidening : Part::kAll);
  }

  void Create(const CgroupPath& path) {
    Add(CreateCgroup{path});
    created_.insert(path);
  }

  void PlanTenantLimits(const TenantSpec& tenant, Part part) { AddLimits(PathOf(tenant.id), tenant.limits, {}, part); }

  Limits EffectiveOf(const std::string& tenant) const {
    const auto found = want_.tenants.find({tenant});
    if (found == want_.tenants.end()) return {};
    return host_.effective(PathOf(found->first), AskedLimits(found->second.limits, host_.disks), {});
  }

  void AddLimits(const CgroupPath& path, const LimitSpec& spec, const Limits& above, Part part) {
    const ObservedCgroup* cgroup = have_.Cgroup(path);
    const Limits effective = host_.effective(path, AskedLimits(spec, host_.disks), above);
    static const Limits kNone;
    const LimitChange change{effective, cgroup ? cgroup->limits : kNone};
    for (SetLimit& step : PlanLimits(path, change, part, host_.copied)) {
      step.on_shrink = spec.on_shrink;
      Add(std::move(step));
    }
  }

  // A tenant's sets reach those of its tasks that have none of their own.
  void PlanCopies(const TenantSpec& tenant) {
    const ObservedCgroup* held = have_.Cgroup(PathOf(tenant.id));
    const Limits effective = EffectiveOf(tenant.id.name);
    const bool same = !held || std::all_of(host_.copied.begin(), host_.copied.end(), [&](LimitKind kind) {
      return held->limits.Get(kind) == effective.Get(kind);
    });
    if (same) return;
    for (auto at = want_.tasks.lower_bound({tenant.id.name, ""});
         at != want_.tasks.end() && at->first.tenant == tenant.id.name; ++at) {
      const ObservedCgroup* task = have_.Cgroup(PathOf(at->first));
      if (!task || scope_.everything || scope_.tasks.contains(at->first)) continue;
      const Limits wanted = host_.effective(PathOf(at->first), at->second.limits.values, effective);
      for (const LimitKind kind : host_.copied)
        if (task->limits.Get(kind) != wanted.Get(kind))
          Add(SetLimit{PathOf(at->first), kind, wanted.Get(kind), task->limits.Get(kind), {}});
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
    AddLimits(path, task.limits, EffectiveOf(task.id.tenant), Part::kAll);
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
