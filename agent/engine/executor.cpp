#include "agent/engine/executor.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/base/log.h"
#include "agent/base/overload.h"

namespace bulkhead {
namespace {

CgroupPath TenantOf(const CgroupPath& task) { return {task.value.substr(0, task.value.find('/'))}; }

}  // namespace

Status Executor::Run(const std::vector<Step>& steps, Journal& journal) {
  journal.hold = Journal::Hold::kNone;
  for (const Step& step : steps) {
    if (const auto* limit = std::get_if<SetLimit>(&step)) {
      const auto room = HasRoom(*limit, journal);
      if (!room.ok()) return Annotate(room.status(), ToString(step));
      if (!*room) continue;
    }
    const std::vector<Step> inverse = InverseOf(step);
    const Status status = Attempt(step, journal);
    if (IsRefusedShrink(step, status)) {
      const auto& limit = std::get<SetLimit>(step);
      const auto in_use = tree_.MemoryInUse(limit.path);
      if (in_use.ok() && *in_use > limit.value->number()) {
        if (may_reclaim_) (void)may_reclaim_(limit.path, limit.value->number(), *in_use);
        (void)WaitsFor(limit, *in_use, journal);
        continue;
      }
    }
    if (!status.ok() && std::holds_alternative<RetirePolicy>(step)) {
      log::Warning("policy stays installed until the next tick", {{"step", ToString(step)}, {"error", status}});
      continue;
    }
    if (!status.ok()) {
      // It may be done in part: a cgroup stands in some hierarchies, a limit was written before it read back wrong, a
      // task was bound before the data plane could be told. Where nothing was done, this does nothing.
      for (const Step& back : inverse) (void)Do(back);  // `status` is what the caller must hear
      return Annotate(status, ToString(step));
    }
    journal.done.push_back(ToString(step));
    journal.undo.insert(journal.undo.end(), inverse.begin(), inverse.end());
  }
  return Ok();
}

// One step of a plan. What is undone does not come through here: a cgroup that is taken back at once was never metered.
Status Executor::Attempt(const Step& step, Journal& journal) {
  if (const auto* removal = std::get_if<RemoveCgroup>(&step)) {
    if (const Status last = TakeLastSample(removal->path); !last.ok()) {
      journal.hold = Journal::Hold::kUnrecorded;
      return Annotate(last, "its last usage cannot be recorded");
    }
  }
  const Status status = Do(step);
  if (const auto* limit = std::get_if<SetLimit>(&step);
      limit != nullptr && status.ok() && limit->id.kind == LimitKind::kMemoryMax)
    return Unpress(limit->path);
  if (std::holds_alternative<KillCgroup>(step) && status.code() == StatusCode::kDeadlineExceeded)
    journal.hold = Journal::Hold::kDying;
  return status;
}

// A ledger that is locked or full is asked once, not once per task; what is wrong with one task's usage is its own.
Status Executor::TakeLastSample(const CgroupPath& path) {
  if (!before_remove_ || mode_ == Mode::kSimulate) return Ok();
  BULKHEAD_RETURN_IF_ERROR(unrecorded_);
  const Status taken = before_remove_(path);
  if (!taken.ok() && taken.code() != StatusCode::kInternal) unrecorded_ = taken;
  return taken;
}

Status Executor::RunOrUndo(const std::vector<Step>& steps, Journal& journal) {
  const Status status = Run(steps, journal);
  if (status.ok()) return status;
  const Status undone = Undo(journal);
  if (undone.ok()) return status;
  return MakeStatus(status.code(), fmt::format("{}; not undone: {}", Message(status), Message(undone)));
}

Status Executor::RunAll(const std::vector<Step>& steps, Journal& journal) {
  Status first = Ok();
  for (const Step& step : steps) {
    const Status status = Run({step}, journal);
    if (status.ok()) continue;
    if (first.ok()) first = status;
    if (!std::holds_alternative<SetLimit>(step)) break;
  }
  return first;
}

Status Executor::Undo(Journal& journal) {
  Status first = Ok();
  for (auto step = journal.undo.rbegin(); step != journal.undo.rend(); ++step) {
    const Status status = Do(*step);
    if (!status.ok() && first.ok()) first = Annotate(status, ToString(*step));
  }
  journal.done.clear();
  journal.undo.clear();
  return first;
}

Status Executor::Do(const Step& step) {
  Step done = step;
  uint64_t new_cgroup_id = next_simulated_id_;
  if (mode_ == Mode::kPerform) {
    const auto performed = DoOnKernel(done);
    if (counts_) ++(performed.ok() ? counts_->done[step.index()] : counts_->failed);
    BULKHEAD_ASSIGN(new_cgroup_id, performed);
  } else {
    ++next_simulated_id_;
  }
  have_.Apply(done, new_cgroup_id);
  return Ok();
}

// The id of a cgroup that was made; a limit's value becomes what the kernel made of it.
Result<uint64_t> Executor::DoOnKernel(Step& step) {
  uint64_t new_cgroup_id = 0;
  const auto id_of = [&](const CgroupPath& path) -> Result<uint64_t> {
    const ObservedCgroup* cgroup = have_.Cgroup(path);
    if (!cgroup) return NotFound(path.value + ": there is no cgroup");
    return cgroup->id;
  };
  const Status status =
      std::visit(Overload{[&](const CreateCgroup& s) -> Status {
                            BULKHEAD_RETURN_IF_ERROR(tree_.Create(s.path));
                            BULKHEAD_ASSIGN(const CgroupInfo info, tree_.Info(s.path));
                            new_cgroup_id = info.id;
                            return Ok();
                          },
                          [&](SetLimit& s) -> Status {
                            BULKHEAD_ASSIGN(s.value, tree_.SetLimit(s.path, s.id, s.value));
                            return Ok();
                          },
                          [&](const InstallPolicy& s) { return maps_.InstallPolicy(s.policy_id, *s.policy); },
                          [&](const BindTask& s) -> Status {
                            BULKHEAD_ASSIGN(const uint64_t task, id_of(s.path));
                            BULKHEAD_ASSIGN(const uint64_t tenant, id_of(TenantOf(s.path)));
                            return maps_.BindTask(task, {tenant, s.policy_id, s.slot}, s.fresh);
                          },
                          [&](const UnbindTask& s) { return maps_.UnbindTask(s.cgroup_id); },
                          [&](const SetAddress& s) -> Status {
                            BULKHEAD_ASSIGN(const uint64_t task, id_of(s.path));
                            return maps_.SetAddress(s.address, task);
                          },
                          [&](const ClearAddress& s) { return maps_.ClearAddress(s.address); },
                          [&](const RetirePolicy& s) { return maps_.RetirePolicy(s.policy_id); },
                          [&](const MoveProcess& s) { return tree_.Attach(s.path, s.pid); },
                          [&](const KillCgroup& s) {
                            const Status killed = Kill(s.path);
                            return killed.code() == StatusCode::kNotFound ? Ok() : killed;  // went away by itself
                          },
                          [&](const RemoveCgroup& s) { return tree_.Remove(s.path); }},
                 step);
  BULKHEAD_RETURN_IF_ERROR(status);
  return new_cgroup_id;
}

Status Executor::Kill(const CgroupPath& path) {
  const auto begin = std::chrono::steady_clock::now();
  const Status killed = tree_.Kill(path, patience_);
  const auto took = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  patience_ -= std::min(patience_, took);
  return killed;
}

std::vector<Step> Executor::InverseOf(const Step& step) const {
  const auto bound_before = [&](const CgroupPath& path, uint64_t cgroup_id) -> std::vector<Step> {
    const TaskBinding* held = have_.Binding(cgroup_id);
    if (held) return {BindTask{path, held->policy_id, held->slot, false}};
    return {UnbindTask{path, cgroup_id}};
  };
  const auto owned_before = [&](const IpAddress& address) -> std::vector<Step> {
    const auto owner = have_.OwnerOf(address);
    const auto path = owner ? have_.PathOfId(*owner) : std::nullopt;
    if (path) return {SetAddress{address, *path}};
    return {ClearAddress{address}};
  };
  return std::visit(Overload{[](const CreateCgroup& s) -> std::vector<Step> { return {RemoveCgroup{s.path}}; },
                             [](const SetLimit& s) -> std::vector<Step> {
                               return {SetLimit{s.path, s.id, s.previous, s.value, {}}};
                             },
                             [](const InstallPolicy& s) -> std::vector<Step> { return {RetirePolicy{s.policy_id}}; },
                             [&](const BindTask& s) -> std::vector<Step> {
                               const ObservedCgroup* cgroup = have_.Cgroup(s.path);
                               return cgroup ? bound_before(s.path, cgroup->id) : std::vector<Step>{};
                             },
                             [&](const UnbindTask& s) -> std::vector<Step> {
                               return have_.HasCgroupId(s.cgroup_id) ? bound_before(s.path, s.cgroup_id)
                                                                     : std::vector<Step>{};
                             },
                             [&](const SetAddress& s) { return owned_before(s.address); },
                             [&](const ClearAddress& s) { return owned_before(s.address); },
                             // Nobody uses a retired policy; the others cannot be taken back.
                             [](const auto&) -> std::vector<Step> { return {}; }},
                    step);
}

}  // namespace bulkhead
