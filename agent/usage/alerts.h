// Turns counters that went up into things worth telling: kills, refused forks, throttling, dropped packets.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/model/usage.h"

namespace bulkhead {

// Core thread only. At most one alert per task and kind every kQuiet; what happened in between is in the next one.
class Alerts {
 public:
  static constexpr std::chrono::seconds kQuiet{10};
  // "oom_kill", "pids_limit", "throttled" or "dropped"; the task; what happened.
  using Tell = std::function<void(const std::string& kind, const std::string& task, const std::string& message)>;

  explicit Alerts(Tell tell) : tell_(std::move(tell)) {}

  // Everything up to these counters was told by an earlier run, or is too old to tell.
  void Begin(const LiveTask& task, const UsageReading& reading);
  // A task that was never seen counts from zero. A task of another uid is another task.
  void Observe(const LiveTask& task, const UsageReading& reading);
  void Keep(const std::vector<LiveTask>& tasks);  // forgets all others

 private:
  enum Kind : size_t { kOomKill, kPidsLimit, kThrottled, kDropped, kKinds };
  struct State {
    std::string uid;
    UsageReading told;  // counters as of the last alert of each kind
    std::array<BootTime, kKinds> quiet_until{};
  };
  void TellDrops(const TaskId& task, State& state, const UsageReading& now);
  bool Due(State& state, Kind kind, const UsageReading& now);

  Tell tell_;
  std::map<TaskId, State> states_;
};

}  // namespace bulkhead
