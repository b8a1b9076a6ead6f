#include "agent/usage/alerts.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace bulkhead {
namespace {

// Counters of a cgroup that was made anew begin at zero again.
uint64_t Increase(uint64_t before, uint64_t now) { return now >= before ? now - before : now; }

const char* const kDirections[] = {"ingress", "egress"};

}  // namespace

void Alerts::Begin(const LiveTask& task, const UsageReading& reading) {
  states_[task.id] = State{.uid = task.uid, .told = reading};
}

bool Alerts::Due(State& state, Kind kind, const UsageReading& now) {
  if (now.at < state.quiet_until[kind]) return false;
  state.quiet_until[kind] = now.at + kQuiet;
  return true;
}

void Alerts::Observe(const LiveTask& task, const UsageReading& now) {
  State& state = states_[task.id];
  if (state.uid != task.uid) state = State{.uid = task.uid};
  const std::string name = task.id.ToString();
  if (const uint64_t kills = Increase(state.told.oom_kills, now.oom_kills); kills > 0 && Due(state, kOomKill, now)) {
    tell_("oom_kill", name,
          fmt::format("{} killed: memory.max reached",
                      kills == 1 ? "a process was" : fmt::format("{} processes were", kills)));
    state.told.oom_kills = now.oom_kills;
  }
  if (const uint64_t forks = Increase(state.told.pids_failures, now.pids_failures);
      forks > 0 && Due(state, kPidsLimit, now)) {
    tell_("pids_limit", name, fmt::format("{} fork{} refused: pids.max reached", forks, forks == 1 ? "" : "s"));
    state.told.pids_failures = now.pids_failures;
  }
  if (const uint64_t periods = Increase(state.told.throttled_periods, now.throttled_periods);
      periods > 0 && Due(state, kThrottled, now)) {
    tell_("throttled", name,
          fmt::format("held back by cpu.max in {} period{}, {} ms in all", periods, periods == 1 ? "" : "s",
                      Increase(state.told.throttled_ns, now.throttled_ns) / 1'000'000));
    state.told.throttled_periods = now.throttled_periods;
    state.told.throttled_ns = now.throttled_ns;
  }
  TellDrops(task.id, state, now);
}

void Alerts::TellDrops(const TaskId& task, State& state, const UsageReading& now) {
  if (now.network.dropped == state.told.network.dropped) return;
  std::string parts;
  for (size_t direction = 0; direction < 2; ++direction)
    for (size_t reason = 0; reason < kDropReasons; ++reason) {
      const uint64_t count =
          Increase(state.told.network.dropped[direction][reason], now.network.dropped[direction][reason]);
      if (count == 0) continue;
      parts += fmt::format("{}{} {} ({})", parts.empty() ? "" : ", ", count, kDirections[direction],
                           DropReasonName(static_cast<DropReason>(reason)));
    }
  if (parts.empty() || !Due(state, kDropped, now)) return;
  tell_("dropped", task.ToString(), "packets or calls refused: " + parts);
  state.told.network.dropped = now.network.dropped;
}

void Alerts::Keep(const std::vector<LiveTask>& tasks) {
  std::set<TaskId> live;
  for (const LiveTask& task : tasks) live.insert(task.id);
  std::erase_if(states_, [&](const auto& entry) { return !live.contains(entry.first); });
}

}  // namespace bulkhead
