#include "agent/engine/batch.h"

#include <fmt/format.h>

#include "agent/base/host.h"
#include "agent/base/log.h"

namespace bulkhead {
namespace {

// Most processes are gone within milliseconds of their SIGKILL. Those that take longer hold up their own removal and
// not the core thread.
constexpr std::chrono::milliseconds kKillPatience{200};

TaskId TaskOf(const ObjectKey& key) {
  const auto slash = key.name.find('/');
  return {key.name.substr(0, slash), key.name.substr(slash + 1)};
}
PolicyId PolicyOf(const ObjectKey& key) {
  const TaskId id = TaskOf(key);
  return {id.tenant, id.name};
}

template <typename Map, typename Id>
std::optional<ObjectSpec> FindIn(const Map& map, const Id& id) {
  const auto found = map.find(id);
  return found == map.end() ? std::nullopt : std::optional<ObjectSpec>(found->second);
}

template <typename Spec, typename Map, typename Id>
void AssignIn(Map& map, const Id& id, const std::optional<ObjectSpec>& spec) {
  if (spec)
    map[id] = std::get<Spec>(*spec);
  else
    map.erase(id);
}

}  // namespace

std::optional<ObjectSpec> Find(const DesiredState& desired, const ObjectKey& key) {
  if (key.kind == "tenant") return FindIn(desired.tenants, TenantId{key.name});
  if (key.kind == "task") return FindIn(desired.tasks, TaskOf(key));
  return FindIn(desired.policies, PolicyOf(key));
}

void Assign(DesiredState& desired, const ObjectKey& key, const std::optional<ObjectSpec>& spec) {
  if (key.kind == "tenant") {
    AssignIn<TenantSpec>(desired.tenants, TenantId{key.name}, spec);
  } else if (key.kind == "task") {
    AssignIn<TaskSpec>(desired.tasks, TaskOf(key), spec);
  } else {
    AssignIn<PolicySpec>(desired.policies, PolicyOf(key), spec);
  }
}

Result<std::vector<Step>> PlanFor(const Workspace& space, const PlanScope& scope) {
  std::map<TaskId, HashedPolicy> policies;
  const auto add = [&](const TaskSpec& task) -> Status {
    BULKHEAD_ASSIGN(policies[task.id], space.policies.Get(space.desired, task));
    return Ok();
  };
  if (scope.everything) {
    for (const auto& [id, task] : space.desired.tasks) BULKHEAD_RETURN_IF_ERROR(add(task));
  } else {
    for (const TaskId& id : scope.tasks)
      if (const auto task = space.desired.tasks.find(id); task != space.desired.tasks.end())
        BULKHEAD_RETURN_IF_ERROR(add(task->second));
  }
  return MakePlan(space.desired, policies, space.have, scope, space.host);
}

Status Enforce(const Workspace& space, const PlanScope& scope, Journal& journal) {
  BULKHEAD_ASSIGN(const std::vector<Step> steps, PlanFor(space, scope));
  return space.executor.RunOrUndo(steps, journal);
}

Batch::Batch(const Workspace& space, const std::vector<ObjectSpec>& put, const std::vector<ObjectKey>& remove)
    : space_(space) {
  const auto add = [&](const ObjectKey& key, const std::optional<ObjectSpec>& want) {
    Item item{.key = key, .before = Find(space_.desired, key), .want = want};
    if (key.kind == "task") {
      const auto uid = space_.uids.find(TaskOf(key));
      item.uid = uid == space_.uids.end() ? RandomId() : uid->second;
    }
    items_.push_back(std::move(item));
  };
  for (const ObjectSpec& spec : put) add(KeyOf(spec), spec);
  for (const ObjectKey& key : remove) add(key, std::nullopt);
}

Batch Batch::Finishing(const Workspace& space, const std::vector<ObjectKey>& remove) {
  Batch batch(space, {}, remove);
  batch.finishing_ = true;
  return batch;
}

std::vector<StateChange> Batch::Intent() const {
  std::vector<StateChange> changes;
  for (const Item& item : items_)
    if (item.Changes()) changes.push_back({item.key, item.want ? item.want : item.before, item.uid, !item.want});
  return changes;
}

std::vector<StateChange> Batch::Settlement() const {
  std::vector<StateChange> changes;
  for (const Item& item : items_) {
    if (!item.Changes() || item.waits) continue;
    if (!item.error.ok())
      changes.push_back({item.key, item.before, item.uid});
    else if (!item.want)
      changes.push_back({item.key, std::nullopt, {}});
  }
  return changes;
}

void Batch::Run() {
  WidenTenants();
  ApplyPolicies();
  ApplyTasks();
  NarrowTenants();
  RemoveTasks();
  RemoveTenants();
}

std::vector<Batch::Item*> Batch::Items(const std::string& kind, bool removals) {
  std::vector<Item*> items;
  for (Item& item : items_)
    if (item.key.kind == kind && item.want.has_value() != removals) items.push_back(&item);
  return items;
}

bool Batch::Skip(Item& item) {
  if (failed_.empty()) return false;
  item.error = Unavailable(fmt::format("not tried, because {} failed", failed_));
  return true;
}

void Batch::Refuse(Item& item, const Status& error) {
  if (finishing_) return Wait(item, Message(error));
  item.error = error;
  if (failed_.empty()) failed_ = item.key.kind + " " + item.key.name;
}

void Batch::Wait(Item& item, const std::string& what_for) {
  item.error = Unavailable("being removed, which goes on by itself when it can: " + what_for);
  item.waits = true;
}

// The rest of the object is as wanted.
void Batch::WaitForMemory(Item& item, const Journal& journal) {
  if (journal.shrinking.empty()) return;
  item.error = Unavailable(fmt::format(
      "the old limit stays until what is in use fits, which the agent goes on with: {}", journal.shrinking));
  item.waits = true;
}

void Batch::Enact(const Item& item) {
  Assign(space_.desired, item.key, item.want);
  if (item.key.kind != "task") return;
  if (item.want)
    space_.uids[TaskOf(item.key)] = item.uid;
  else
    space_.uids.erase(TaskOf(item.key));
}

void Batch::Revert(Item& item) {
  Assign(space_.desired, item.key, item.before);
  if (item.key.kind == "policy") space_.policies.Forget(PolicyOf(item.key));
  if (item.key.kind != "task") return;
  if (item.before)
    space_.uids[TaskOf(item.key)] = item.uid;
  else
    space_.uids.erase(TaskOf(item.key));
}

void Batch::WidenTenants() {
  for (Item* item : Items("tenant", false)) {
    if (Skip(*item)) continue;
    Enact(*item);
    const Status status = Enforce(space_, {.tenants = {{item->key.name}}, .widen_tenants_only = true}, item->journal);
    if (status.ok()) continue;
    Revert(*item);
    Refuse(*item, status);
  }
}

void Batch::NarrowTenants() {
  for (Item* item : Items("tenant", false)) {
    if (!item->error.ok()) continue;
    const PlanScope scope{.tenants = {{item->key.name}}};
    Status status = Ok();
    Journal narrowed;
    if (failed_.empty()) {
      status = Enforce(space_, scope, narrowed);
    } else if (const auto rest = PlanFor(space_, scope); !rest.ok() || !rest->empty()) {
      (void)Skip(*item);  // half done is not done: what was widened goes back
      status = item->error;
    }
    if (status.ok()) {
      item->journal.done.insert(item->journal.done.end(), narrowed.done.begin(), narrowed.done.end());
      WaitForMemory(*item, narrowed);
      continue;
    }
    if (const Status undone = space_.executor.Undo(item->journal); !undone.ok())
      status = MakeStatus(status.code(), fmt::format("{}; not undone: {}", Message(status), Message(undone)));
    Revert(*item);
    Refuse(*item, status);
  }
}

// The policies of a tenant change together: what they say in part may be wider or narrower than either state.
void Batch::ApplyPolicies() {
  std::map<std::string, std::vector<Item*>> by_tenant;
  for (Item& item : items_)
    if (item.key.kind == "policy") by_tenant[PolicyOf(item.key).tenant].push_back(&item);
  for (const auto& [tenant, items] : by_tenant) ApplyPoliciesOf(tenant, items);
}

void Batch::ApplyPoliciesOf(const std::string& tenant, const std::vector<Item*>& items) {
  if (!failed_.empty()) {
    for (Item* item : items) {
      (void)Skip(*item);
      space_.policies.Forget(PolicyOf(item->key));  // compiled ahead for what does not come
    }
    return;
  }
  for (Item* item : items) Enact(*item);
  const Status status = Enforce(space_, {.tasks = SelectedByAny(tenant, items)}, items.front()->journal);
  if (status.ok()) return;
  for (Item* item : items) {
    Revert(*item);
    Refuse(*item, status);
  }
}

std::set<TaskId> Batch::SelectedByAny(const std::string& tenant, const std::vector<Item*>& items) const {
  std::set<TaskId> selected;
  for (auto at = space_.desired.tasks.lower_bound({tenant, ""});
       at != space_.desired.tasks.end() && at->first.tenant == tenant; ++at)
    for (const Item* item : items)
      for (const auto* spec : {&item->before, &item->want})
        if (*spec && Selects(std::get<PolicySpec>(**spec), tenant, at->second.labels)) selected.insert(at->first);
  return selected;
}

void Batch::ApplyTasks() {
  for (Item* item : Items("task", false)) {
    if (Skip(*item)) continue;
    Enact(*item);
    const Status status = Enforce(space_, {.tasks = {TaskOf(item->key)}}, item->journal);
    if (status.ok()) {
      WaitForMemory(*item, item->journal);
      continue;
    }
    Revert(*item);
    Refuse(*item, status);
  }
}

// What is killed dies while the others are killed: only then anything is waited for. Removals that wait already are
// looked at again soon enough.
void Batch::RemoveTasks() {
  std::vector<Item*> dying;
  for (Item* item : Items("task", true)) {
    if (Skip(*item)) continue;
    RemoveTask(*item);
    if (item->journal.hold == Journal::Hold::kDying) dying.push_back(item);
  }
  if (finishing_) return;
  space_.executor.GrantPatience(kKillPatience);
  for (Item* item : dying) RemoveTask(*item);
}

void Batch::RemoveTask(Item& item) {
  const PlanScope scope{.tasks = {TaskOf(item.key)}};
  item.error = Ok();
  item.waits = false;
  Assign(space_.desired, item.key, std::nullopt);  // the uid stays until the last sample is taken
  const Status status = Enforce(space_, scope, item.journal);
  if (status.ok()) return Enact(item);
  // The object stays, and so do its walls; a cgroup that went already is made again.
  Revert(item);
  if (item.journal.hold != Journal::Hold::kNone) return Wait(item, Message(status));
  if (const Status again = Enforce(space_, scope, item.journal); !again.ok())
    log::Warning("task stays without all of its walls until the next tick",
                 {{"task", item.key.name}, {"error", again}});
  Refuse(item, status);
}

void Batch::RemoveTenants() {
  for (Item* item : Items("tenant", true)) {
    if (Skip(*item)) continue;
    const auto& tasks = space_.desired.tasks;
    if (const auto task = tasks.lower_bound({item->key.name, ""});
        task != tasks.end() && task->first.tenant == item->key.name) {
      Wait(*item, fmt::format("task {} is still there", task->first.ToString()));
      continue;
    }
    Enact(*item);
    const Status status = Enforce(space_, {.tenants = {{item->key.name}}}, item->journal);
    if (status.ok()) continue;
    Revert(*item);
    Refuse(*item, status);
  }
}

std::vector<ObjectResult> Batch::Results() const {
  std::vector<ObjectResult> results;
  for (const Item& item : items_) {
    ObjectResult result{item.key.kind, item.key.name, Outcome::kUnchanged, item.error, item.waits, item.journal.done};
    if (!item.error.ok())
      result.outcome = item.want && item.waits ? Outcome::kPending : Outcome::kRefused;
    else if (!item.want)
      result.outcome = Outcome::kDeleted;
    else if (!item.before)
      result.outcome = Outcome::kCreated;
    else if (item.Changes() || !item.journal.done.empty())
      result.outcome = Outcome::kChanged;
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace bulkhead
