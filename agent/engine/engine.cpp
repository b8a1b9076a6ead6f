#include "agent/engine/engine.h"

#include <fmt/format.h>

#include "agent/kernel/process_sockets.h"

namespace bulkhead {

Engine::Engine(Parts parts, Baseline baseline, BeforeRemove before_remove)
    : parts_(parts), baseline_(baseline), before_remove_(std::move(before_remove)), policies_(baseline) {}

Executor Engine::MakeExecutor() {
  Executor executor(
      parts_.tree, parts_.maps, have_, Executor::Mode::kPerform,
      [this](const CgroupPath& path) { return SampleBeforeRemove(path); }, &stats_.steps);
  executor.AskBeforeReclaim(
      [this](const CgroupPath& path, uint64_t limit, uint64_t in_use) { return MayReclaim(path, limit, in_use); });
  return executor;
}

Workspace Engine::SpaceOf(const HostFacts& host, Executor& executor) {
  return {desired_, uids_, have_, policies_, host, executor};
}

// Only for what was a task's and was metered.
Status Engine::SampleBeforeRemove(const CgroupPath& path) {
  const auto task = ParseTaskId(path.value);
  const ObservedCgroup* cgroup = have_.Cgroup(path);
  if (!task.ok() || !cgroup || !before_remove_) return Ok();
  const auto uid = uids_.find(*task);
  const TaskBinding* binding = have_.Binding(cgroup->id);
  if (uid == uids_.end() || !binding) return Ok();
  return before_remove_({*task, uid->second, cgroup->id, binding->slot});
}

Result<std::vector<std::string>> Engine::Delete(const std::string& kind, const std::string& name) {
  const Timed timed(parts_.clock, stats_.apply);
  const ObjectKey key{kind, name};
  if (kind != "tenant" && kind != "task" && kind != "policy")
    return InvalidArgument(fmt::format("kind: \"{}\" is not tenant, task or policy", kind));
  if (!Find(desired_, key)) return NotFound(fmt::format("there is no {} {}", kind, name));
  BULKHEAD_ASSIGN(const std::vector<ObjectResult> results, RunBatch({}, {key}, false));
  BULKHEAD_RETURN_IF_ERROR(results.front().error);
  return results.front().steps;
}

Result<std::vector<AttachOutcome>> Engine::Attach(const TaskId& task, const std::vector<int>& pids) {
  const auto spec = desired_.tasks.find(task);
  if (spec == desired_.tasks.end()) return NotFound(fmt::format("there is no task {}", task.ToString()));
  // No process enters before all of the walls stand that this host can make.
  const ObjectState state = StateOf(task);
  if (state.walls_missing)
    return FailedPrecondition(fmt::format("task {} is not enforced: {}", task.ToString(),
                                          state.reasons.empty() ? "unknown" : state.reasons.front()));
  std::vector<AttachOutcome> outcomes;
  for (int pid : pids) {
    AttachOutcome outcome{.pid = pid};
    const auto sockets = CountInetSockets(pid);  // those made later belong to the task
    outcome.error = parts_.tree.Attach(PathOf(task), pid);
    if (outcome.error.ok()) {
      outcome.sockets_outside = sockets.ok() ? sockets->count : 0;
      outcome.sockets_unknown = sockets.ok() ? sockets->unknown : Message(sockets.status());
    }
    outcomes.push_back(outcome);
  }
  return outcomes;
}

std::vector<LiveTask> Engine::LiveTasks() const {
  std::vector<LiveTask> live;
  for (const auto& [id, uid] : uids_) {
    const ObservedCgroup* cgroup = have_.Cgroup(PathOf(id));
    const TaskBinding* binding = cgroup ? have_.Binding(cgroup->id) : nullptr;
    if (binding) live.push_back({id, uid, cgroup->id, binding->slot});
  }
  return live;
}

}  // namespace bulkhead
