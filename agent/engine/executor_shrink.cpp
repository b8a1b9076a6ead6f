// A memory.max that is lowered: the kernel would kill for it at once. Whether it may is the spec's to say.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "agent/engine/executor.h"

namespace bulkhead {

bool Executor::Shrinks(const SetLimit& step) {
  return step.id.kind == LimitKind::kMemoryMax &&
         ChangeOf(LimitKind::kMemoryMax, step.previous, step.value) == Change::kNarrower;
}

// cgroup v1 reclaims by itself when the limit is written, and refuses it when that was not enough.
bool Executor::IsRefusedShrink(const Step& step, const Status& status) {
  const auto* limit = std::get_if<SetLimit>(&step);
  return limit != nullptr && Shrinks(*limit) && limit->on_shrink == OnShrink::kReclaim && ErrnoOf(status) == EBUSY;
}

// False: the step waits, `journal` says for what.
Result<bool> Executor::HasRoom(const SetLimit& step, Journal& journal) {
  if (step.id.kind == LimitKind::kMemoryHigh && pressed_.contains(step.path)) return false;  // it presses
  if (!Shrinks(step) || step.on_shrink == OnShrink::kForce) return true;
  const auto in_use = tree_.MemoryInUse(step.path);
  if (in_use.status().code() == StatusCode::kNotFound) return true;  // made by this plan, or by a simulation
  BULKHEAD_RETURN_IF_ERROR(in_use.status());
  if (*in_use <= step.value->number()) return true;
  if (step.on_shrink == OnShrink::kRefuse)
    return FailedPrecondition(
        fmt::format("{} bytes are in use, and on_shrink is refuse: nothing has changed", *in_use));
  if (mode_ == Mode::kSimulate) return true;
  return Reclaim(step, *in_use, journal);
}

// cgroup v2: memory.high at the new limit makes the kernel reclaim, and slows down whoever allocates more. It kills
// nobody. Where it cannot, the write of the limit itself reclaims.
Result<bool> Executor::Reclaim(const SetLimit& step, uint64_t in_use, Journal& journal) {
  const uint64_t limit = step.value->number();
  if (!may_reclaim_ || !may_reclaim_(step.path, limit, in_use)) return WaitsFor(step, in_use, journal);
  if (tree_.Supports(step.path, LimitKind::kMemoryHigh, {}).level != LimitSupport::Level::kFull) return true;
  const ObservedCgroup* cgroup = have_.Cgroup(step.path);
  const auto before = cgroup ? cgroup->limits.Get(LimitKind::kMemoryHigh) : std::nullopt;
  const SetLimit press{
      step.path, LimitKind::kMemoryHigh, before ? std::min(before->number(), limit) : limit, before, {}};
  BULKHEAD_RETURN_IF_ERROR(Annotate(Do(press), "make room"));  // also when it is held: the write is what reclaims
  pressed_[step.path] = before;
  BULKHEAD_ASSIGN(const uint64_t now, tree_.MemoryInUse(step.path));
  if (now <= limit) return true;
  if (press.value != before) {
    journal.done.push_back(ToString(press));
    journal.undo.push_back(SetLimit{step.path, LimitKind::kMemoryHigh, before, press.value, {}});
  }
  (void)may_reclaim_(step.path, limit, now);  // what is left of it is what people want to know
  return WaitsFor(step, now, journal);
}

// False, for HasRoom.
bool Executor::WaitsFor(const SetLimit& step, uint64_t in_use, Journal& journal) {
  journal.shrinking = fmt::format("{}: {} bytes are in use", ToString(step), in_use);
  return false;
}

// The limit stands: memory.high is again what it was.
Status Executor::Unpress(const CgroupPath& path) {
  const auto pressed = pressed_.find(path);
  if (pressed == pressed_.end()) return Ok();
  const auto before = pressed->second;
  pressed_.erase(pressed);
  const ObservedCgroup* cgroup = have_.Cgroup(path);
  const auto now = cgroup ? cgroup->limits.Get(LimitKind::kMemoryHigh) : std::nullopt;
  return now == before ? Ok() : Do(SetLimit{path, LimitKind::kMemoryHigh, before, now, {}});
}

}  // namespace bulkhead
