// Recover and Reconcile: the same repair, once after a start and then at every tick.
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/engine/engine.h"
#include "agent/engine/observe.h"

namespace bulkhead {
namespace {

constexpr uint64_t kWholeEvery = 12;  // a minute, at a tick of 5 s

}  // namespace

Status Engine::Recover() {
  BULKHEAD_ASSIGN(StateStore::Loaded loaded, parts_.store.Load());
  desired_ = std::move(loaded.desired);
  uids_ = std::move(loaded.task_uids);
  for (const ObjectKey& key : loaded.removing)
    removing_[key] = "being removed: the agent was ended in the middle of it";
  manifests_ = std::move(loaded.manifests);
  if (!parts_.store.set_aside().empty())
    parts_.events.Add("degraded", "",
                      fmt::format("the state was unreadable and is set aside as {}: what the kernel holds stays "
                                  "enforced; apply the manifests again",
                                  parts_.store.set_aside()));
  const Status root = EnsureRoot("recovered");
  SetFailure({"node", "network"}, root);
  FindDisksAgain();
  const Status read = Refresh({}, {}, desired_);
  SetFailure({"node", "kernel"}, read);
  if (!read.ok()) return Ok();  // reported; the next tick tries again
  BULKHEAD_RETURN_IF_ERROR(FinishRemovals());
  EnforceAll("recovered");
  if (const auto strangers = Strangers(); !strangers.empty())
    parts_.events.Add("degraded", "",
                      fmt::format("{} cgroups are no task or tenant that this agent knows ({}, …): left as they are",
                                  strangers.size(), strangers.front().value));
  parts_.events.Add("recovered", "",
                    fmt::format("{} tenants, {} tasks, {} policies", desired_.tenants.size(), desired_.tasks.size(),
                                desired_.policies.size()));
  return Ok();
}

void Engine::Reconcile() {
  const Timed timed(parts_.clock, stats_.reconcile);
  const Status root = EnsureRoot("repaired");
  SetFailure({"node", "network"}, root);
  FindDisksAgain();
  Status read = LookAgain();
  if (read.ok()) read = FinishRemovals();
  SetFailure({"node", "kernel"}, read);
  if (!unsaved_.empty()) Settle({});
  if (read.ok()) EnforceAll("repaired");
}

// Limits that nobody asked for are looked at now and then: one cgroup in kWholeEvery at each tick.
Status Engine::LookAgain() {
  if (have_is_stale_) return Refresh({}, {}, desired_);
  ++ticks_;
  const auto whole = [this](const CgroupPath& path) {
    return (std::hash<std::string>()(path.value) + ticks_) % kWholeEvery == 0;
  };
  auto again = ObserveAgain(parts_.tree, parts_.maps, have_, AskedIn(desired_), whole);
  have_is_stale_ = !again.ok();
  BULKHEAD_ASSIGN(have_, std::move(again));
  return Ok();
}

void Engine::WatchRoot() {
  const auto root = parts_.tree.Root();
  if (root.ok() ? root->id != root_id_ : root.status().code() == StatusCode::kNotFound) Reconcile();
}

// The walls hang on the top cgroup: when somebody removed it, everything below went with it and the programs point at
// nothing.
Status Engine::EnsureRoot(const std::string& event) {
  auto root = parts_.tree.Root();
  if (root.status().code() == StatusCode::kNotFound) {
    BULKHEAD_RETURN_IF_ERROR(parts_.tree.Create({""}));
    root = parts_.tree.Root();
  }
  BULKHEAD_RETURN_IF_ERROR(root.status());
  if (root_id_ != 0 && root->id != root_id_) {
    parts_.events.Add(
        event, "",
        fmt::format("the top cgroup was removed by somebody else, and with it the cgroups of {} tasks and "
                    "every process in them: all made anew",
                    desired_.tasks.size()));
  }
  root_id_ = root->id;
  const Status attached = parts_.maps.CheckAttached();
  if (attached.ok()) return attached;
  BULKHEAD_RETURN_IF_ERROR(parts_.maps.Attach());
  parts_.events.Add(event, "", "network programs attached again: " + Message(attached));
  return parts_.maps.CheckAttached();
}

// Each object by itself: one that cannot be enforced does not keep the others from it.
void Engine::EnforceAll(const std::string& event) {
  const HostFacts host = FactsOf(parts_.tree, parts_.maps, disks_);
  Executor executor = MakeExecutor();
  const Workspace space = SpaceOf(host, executor);
  const auto all = PlanFor(space, {.everything = true});
  if (all.ok() && all->empty()) {
    std::erase_if(failures_, [](const auto& failure) { return failure.first.kind != "node"; });
  } else {
    EnforceOne(space, {"node", "leftovers"}, {.leftovers = true}, event);
    for (const auto& [id, tenant] : desired_.tenants)
      EnforceOne(space, {"tenant", id.name}, {.tenants = {id}, .widen_tenants_only = true}, event);
    for (const auto& [id, task] : desired_.tasks) EnforceOne(space, {"task", id.ToString()}, {.tasks = {id}}, event);
    for (const auto& [id, tenant] : desired_.tenants) EnforceOne(space, {"tenant", id.name}, {.tenants = {id}}, event);
    EnforceOne(space, {"node", "leftovers"}, {.leftovers = true}, event);
  }
  ForgetShrinks();
  policies_.DropUnused();
  const auto top = parts_.tree.ReadLimits(CgroupPath{});
  top_limits_ = top.ok() ? *top : Limits{};
}

void Engine::EnforceOne(const Workspace& space, const ObjectKey& key, const PlanScope& scope,
                        const std::string& event) {
  const auto steps = PlanFor(space, scope);
  Journal journal;
  const Status status = steps.ok() ? space.executor.RunAll(*steps, journal) : steps.status();
  if (event == "repaired") stats_.repairs += journal.done.size();
  if (!journal.done.empty())
    parts_.events.Add(event, key.kind == "node" ? "" : key.name, fmt::format("{}", fmt::join(journal.done, "; ")));
  SetFailure(key, status);
}

// One event per new failure, not one per tick.
void Engine::SetFailure(const ObjectKey& key, const Status& status) {
  if (status.ok()) {
    failures_.erase(key);
    return;
  }
  auto& known = failures_[key];
  if (known == Message(status)) return;
  known = Message(status);
  parts_.events.Add("degraded", key.kind == "node" ? "" : key.name, known);
}

}  // namespace bulkhead
