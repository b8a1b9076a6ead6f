#include "agent/engine/event_log.h"

#include "agent/base/log.h"

namespace bulkhead {

void EventLog::Add(const std::string& type, const std::string& object, const std::string& message) {
  ++counts_[type];
  events_.push_back({next_++, clock_.Wall(), type, object, message});
  if (events_.size() > capacity_) events_.pop_front();
  log::Info(type, {{"object", object.empty() ? "node" : object}, {"message", message}});
  const Event event = events_.back();
  const auto listeners = listeners_;  // a listener may unsubscribe itself
  for (const auto& [subscription, listener] : listeners) listener(event);
}

std::vector<Event> EventLog::After(uint64_t sequence) const {
  std::vector<Event> events;
  for (const Event& event : events_)
    if (event.sequence > sequence) events.push_back(event);
  return events;
}

int EventLog::Subscribe(Listener listener) {
  listeners_[next_subscription_] = std::move(listener);
  return next_subscription_++;
}

void EventLog::Unsubscribe(int subscription) { listeners_.erase(subscription); }

}  // namespace bulkhead
