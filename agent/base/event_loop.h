// The core thread: timers, signals, descriptors and closures posted by other threads, one at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "agent/base/status.h"

namespace bulkhead {

// Everything except Post and Stop is called on the thread that calls Run (or before Run).
class EventLoop {
 public:
  using Closure = std::function<void()>;
  using TimerId = size_t;

  // At most inbox_capacity posted closures wait at a time.
  static Result<std::unique_ptr<EventLoop>> Create(size_t inbox_capacity);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs the closure on the core thread, in order of posting. Any thread. ResourceExhausted when the inbox is full,
  // Unavailable after Stop; the closure is then not kept.
  Status Post(Closure closure);

  size_t Waiting() const;  // closures in the inbox; any thread
  size_t Capacity() const;

  // Calls `closure` every `period` until the loop ends; late ticks are not made up for.
  Result<TimerId> AddTimer(std::chrono::nanoseconds period, Closure closure);
  // From now on every `period`; the first time one period from now.
  Status SetPeriod(TimerId timer, std::chrono::nanoseconds period);
  // Blocks the signal in the calling thread and calls `closure` when it arrives. Add before starting other threads.
  Status AddSignal(int signal, Closure closure);
  // Calls `closure` while `fd` is readable. The fd stays the caller's.
  Status AddReadable(int fd, Closure closure);

  Status Run();  // until Stop; closures already posted are still run
  void Stop();   // any thread
  // Stop, for a loop that does not run (any more): closures that wait are dropped.
  void Close();

 private:
  struct Impl;
  explicit EventLoop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bulkhead
