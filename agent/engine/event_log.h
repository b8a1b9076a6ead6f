// The newest events of this node, in memory.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/base/clock.h"

namespace bulkhead {

struct Event {
  uint64_t sequence = 0;
  WallTime time{};
  // created, changed, deleted, refused, repaired, recovered, oom_kill, pids_limit, throttled, dropped, loaded …
  std::string type;
  std::string object;  // "acme", "acme/web-1", or empty for the node
  std::string message;
};

// Core thread only.
class EventLog {
 public:
  using Listener = std::function<void(const Event&)>;

  EventLog(const Clock& clock, size_t capacity) : clock_(clock), capacity_(capacity) {}
  void Add(const std::string& type, const std::string& object, const std::string& message);  // also logs it
  std::vector<Event> After(uint64_t sequence) const;  // oldest first; the oldest may be gone already
  const std::map<std::string, uint64_t>& counts() const { return counts_; }  // by type, since the start
  int Subscribe(Listener listener);                                          // called at every Add
  void Unsubscribe(int subscription);

 private:
  const Clock& clock_;
  size_t capacity_;
  uint64_t next_ = 1;
  std::deque<Event> events_;
  std::map<std::string, uint64_t> counts_;
  int next_subscription_ = 1;
  std::map<int, Listener> listeners_;
};

}  // namespace bulkhead
