// Apply and what it shares with Delete.
#include <fmt/format.h>

#include "agent/engine/engine.h"
#include "agent/engine/observe.h"
#include "agent/engine/validate.h"

namespace bulkhead {

Result<std::vector<ObjectResult>> Engine::Apply(const std::vector<ObjectSpec>& objects, const ApplyOptions& options) {
  BULKHEAD_RETURN_IF_ERROR(CheckDuplicates(objects));
  const std::vector<ObjectKey> removals = options.prune ? AllBut(objects) : std::vector<ObjectKey>{};
  if (!options.validate_only) {
    const Timed timed(parts_.clock, stats_.apply);
    return RunBatch(objects, removals, options.manifests);
  }
  return Simulate(objects, removals);
}

Result<std::vector<ObjectResult>> Engine::RunBatch(std::vector<ObjectSpec> objects, std::vector<ObjectKey> removals,
                                                   bool manifests) {
  BULKHEAD_RETURN_IF_ERROR(FinishRemovals());
  const HeldBack held = HoldBack(objects, removals);
  BULKHEAD_ASSIGN(Disks disks, FindDisks(objects));
  BULKHEAD_ASSIGN(const DesiredState target, Validate(objects, removals, disks));
  disks_ = std::move(disks);
  BULKHEAD_ASSIGN(PolicyCache policies, CompileAhead(objects, removals, target));
  BULKHEAD_RETURN_IF_ERROR(Refresh(objects, removals, target));
  const HostFacts host = FactsOf(parts_.tree, parts_.maps, disks_);
  Executor executor = MakeExecutor();
  Batch batch(SpaceOf(host, executor), objects, removals);
  std::vector<StateChange> intent = unsaved_;  // older, so first
  for (StateChange& change : batch.Intent()) intent.push_back(std::move(change));
  BULKHEAD_RETURN_IF_ERROR(parts_.store.Commit(intent));
  unsaved_.clear();
  policies_ = std::move(policies);
  batch.Run();
  ForgetShrinks();
  Settle(batch.Settlement());
  const std::vector<ObjectResult> done = batch.Results();
  Report(done);
  const std::vector<ObjectResult> results = held.With(done);
  NoteManifests(results, manifests);
  return results;
}

// As RunBatch, on copies.
Result<std::vector<ObjectResult>> Engine::Simulate(std::vector<ObjectSpec> objects, std::vector<ObjectKey> removals) {
  const HeldBack held = HoldBack(objects, removals);
  BULKHEAD_ASSIGN(const Disks disks, FindDisks(objects));
  BULKHEAD_ASSIGN(const DesiredState target, Validate(objects, removals, disks));
  BULKHEAD_ASSIGN(PolicyCache policies, CompileAhead(objects, removals, target));
  BULKHEAD_RETURN_IF_ERROR(Refresh(objects, removals, target));
  DesiredState desired = desired_;
  std::map<TaskId, std::string> uids = uids_;
  Observed have = have_;
  const HostFacts host = FactsOf(parts_.tree, parts_.maps, disks);
  Executor executor(parts_.tree, parts_.maps, have, Executor::Mode::kSimulate, nullptr);
  Batch batch({desired, uids, have, policies, host, executor}, objects, removals);
  batch.Run();
  return held.With(batch.Results());
}

std::vector<ObjectKey> Engine::AllBut(const std::vector<ObjectSpec>& objects) const {
  std::set<ObjectKey> kept;
  for (const ObjectSpec& object : objects) kept.insert(KeyOf(object));
  std::vector<ObjectKey> others;
  const auto add = [&](const ObjectKey& key) {
    if (!kept.contains(key)) others.push_back(key);
  };
  for (const auto& [id, tenant] : desired_.tenants) add({"tenant", id.name});
  for (const auto& [id, task] : desired_.tasks) add({"task", id.ToString()});
  for (const auto& [id, policy] : desired_.policies) add({"policy", id.ToString()});
  return others;
}

Result<DesiredState> Engine::Validate(const std::vector<ObjectSpec>& objects, const std::vector<ObjectKey>& removals,
                                      const Disks& disks) const {
  DesiredState target = desired_;
  for (const ObjectSpec& object : objects) Assign(target, KeyOf(object), object);
  for (const ObjectKey& key : removals) Assign(target, key, std::nullopt);
  const ValidationHost host{[this](const CgroupPath& path, const LimitId& id, const Limits& with) {
                              return parts_.tree.Supports(path, id, with).why;
                            },
                            disks, parts_.maps.MaxTasks(), memory_bytes_, reserved_bytes_};
  BULKHEAD_RETURN_IF_ERROR(ValidateObjects(objects, target, host));
  if (removals.empty()) return target;
  DesiredState settled = target;  // as it will be when what goes is gone
  for (const auto& [key, reason] : removing_) Assign(settled, key, std::nullopt);
  for (const ObjectKey& key : removals)
    if (key.kind == "tenant") BULKHEAD_RETURN_IF_ERROR(CheckNoStrangers({key.name}, settled));
  return target;
}

// A tenant goes when nothing of it is left.
Status Engine::CheckNoStrangers(const TenantId& tenant, const DesiredState& target) const {
  const auto refuse = [&](const std::string& what) {
    return FailedPrecondition(fmt::format("tenant {}: still has {}", tenant.name, what));
  };
  if (const auto task = target.tasks.lower_bound({tenant.name, ""});
      task != target.tasks.end() && task->first.tenant == tenant.name)
    return refuse("task " + task->first.ToString());
  if (const auto policy = target.policies.lower_bound({tenant.name, ""});
      policy != target.policies.end() && policy->first.tenant == tenant.name)
    return refuse("policy " + policy->first.ToString());
  for (const CgroupPath& path : Strangers())
    if (path.value.starts_with(tenant.name + "/"))
      return refuse(fmt::format("cgroup {}, which is no task that this agent knows", path.value));
  return Ok();
}

// Compiles what the batch will need, so that a policy that does not fit is refused before anything is touched.
Result<PolicyCache> Engine::CompileAhead(const std::vector<ObjectSpec>& objects, const std::vector<ObjectKey>& removals,
                                         const DesiredState& target) const {
  PolicyCache cache = policies_;
  std::set<std::string> tenants;
  std::set<TaskId> tasks;
  for (const ObjectSpec& object : objects) {
    if (const auto* task = std::get_if<TaskSpec>(&object)) tasks.insert(task->id);
    const auto* policy = std::get_if<PolicySpec>(&object);
    if (!policy) continue;
    const auto old = desired_.policies.find(policy->id);
    if (old != desired_.policies.end() && old->second == *policy) continue;
    cache.Forget(policy->id);
    tenants.insert(policy->id.tenant);
  }
  for (const ObjectKey& key : removals)
    if (key.kind == "policy") tenants.insert(key.name.substr(0, key.name.find('/')));
  for (const auto& [id, task] : target.tasks)
    if (tasks.contains(id) || tenants.contains(id.tenant))
      BULKHEAD_RETURN_IF_ERROR(Annotate(cache.Get(target, task).status(), "task " + id.ToString()));
  return cache;
}

Status Engine::Refresh(const std::vector<ObjectSpec>& objects, const std::vector<ObjectKey>& removals,
                       const DesiredState& target) {
  if (have_is_stale_) {
    BULKHEAD_ASSIGN(have_, ObserveAll(parts_.tree, parts_.maps));
    have_is_stale_ = false;
    return Ok();
  }
  std::set<CgroupPath> paths;
  const auto add = [&](const ObjectKey& key) {
    if (key.kind == "policy") return;
    paths.insert({key.name.substr(0, key.name.find('/'))});
    paths.insert({key.name});
  };
  for (const ObjectSpec& object : objects) add(KeyOf(object));
  for (const ObjectKey& key : removals) add(key);
  return ObserveCgroups(parts_.tree, {paths.begin(), paths.end()}, AskedIn(target), have_);
}

// The kernel has changed already: what the store does not take now it is given again at every tick.
void Engine::Settle(const std::vector<StateChange>& changes) {
  unsaved_.insert(unsaved_.end(), changes.begin(), changes.end());
  const Status status = parts_.store.Commit(unsaved_);
  if (status.ok()) unsaved_.clear();
  SetFailure({"node", "state"}, status);
}

void Engine::Report(const std::vector<ObjectResult>& results) {
  static const std::map<Outcome, const char*> types = {{Outcome::kCreated, "created"},
                                                       {Outcome::kChanged, "changed"},
                                                       {Outcome::kDeleted, "deleted"},
                                                       {Outcome::kPending, "pending"},
                                                       {Outcome::kRefused, "refused"}};
  for (const ObjectResult& result : results) {
    const auto type = types.find(result.outcome);
    NoteRemoval(result);
    const bool pending = result.outcome == Outcome::kPending;
    if (type == types.end() || (result.waits && !pending)) continue;
    if (result.outcome == Outcome::kRefused)
      have_is_stale_ = true;
    else
      failures_.erase({result.kind, result.name});
    parts_.events.Add(type->second, result.name,
                      result.outcome == Outcome::kRefused || pending
                          ? fmt::format("{}: {}", result.kind, Message(result.error))
                          : fmt::format("{}, {} steps", result.kind, result.steps.size()));
  }
}

}  // namespace bulkhead
