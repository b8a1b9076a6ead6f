// What threads share: a queue that one of them waits on, and a value behind a lock.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace bulkhead {

// Unbounded: whoever uses it makes sure that only so much can be under way. Any thread.
template <typename T>
class Mailbox {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  void Push(T item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    ready_.notify_one();  // under the lock: the waiter may destroy the mailbox once it has the item
  }
  // The oldest item; nullopt at the deadline. Without one it waits for ever.
  std::optional<T> Pop(std::optional<Deadline> deadline) {
    std::unique_lock lock(mutex_);
    const auto some = [this] { return !items_.empty(); };
    if (!deadline)
      ready_.wait(lock, some);
    else if (!ready_.wait_until(lock, *deadline, some))
      return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> items_;  // guarded by mutex_
};

// A value that is only touched under its lock. Any thread.
template <typename T>
class Guarded {
 public:
  template <typename... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}
  template <typename Fn>
  auto With(Fn fn) {
    const std::lock_guard lock(mutex_);
    return fn(value_);
  }
  T Get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  T value_;
};

}  // namespace bulkhead
