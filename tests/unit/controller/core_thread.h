// An event loop that runs on a thread of its own, as the agent's core does.
#pragma once

#include <future>
#include <memory>
#include <thread>

#include "agent/base/event_loop.h"

namespace bulkhead::test {

class CoreThread {
 public:
  CoreThread() : loop_(*EventLoop::Create(64)), thread_([this] { (void)loop_->Run(); }) {}
  ~CoreThread() {
    loop_->Stop();
    thread_.join();
  }
  EventLoop& loop() { return *loop_; }
  // Runs fn there and returns what it returns.
  template <typename Fn>
  auto Do(Fn fn) {
    std::promise<decltype(fn())> done;
    auto result = done.get_future();
    if (!loop_->Post([&] { done.set_value(fn()); }).ok()) std::abort();
    return result.get();
  }

 private:
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;
};

}  // namespace bulkhead::test
