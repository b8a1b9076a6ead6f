#include "agent/base/event_loop.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>

#include <cerrno>
#include <csignal>
#include <deque>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include "agent/base/unique_fd.h"

namespace bulkhead {
namespace {

uint64_t Microseconds(std::chrono::nanoseconds period) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(period).count());
}

}  // namespace

struct EventLoop::Impl {
  struct Timer {
    sd_event_source* source = nullptr;
    uint64_t period_usec = 0;
    Closure closure;
  };

  sd_event* event = nullptr;
  UniqueFd wake;
  size_t capacity = 0;
  std::mutex mutex;
  std::deque<Closure> inbox;  // guarded by mutex
  bool stopped = false;       // guarded by mutex
  std::vector<std::unique_ptr<Timer>> timers;
  std::vector<std::unique_ptr<Closure>> closures;  // of signals and descriptors; sd-event keeps the address

  ~Impl() {
    for (auto& timer : timers) sd_event_source_unref(timer->source);
    sd_event_unref(event);
  }

  void DrainInbox() {
    uint64_t count = 0;
    (void)!::read(wake.get(), &count, sizeof(count));  // only clears readiness
    std::deque<Closure> work;
    bool stop = false;
    {
      const std::lock_guard lock(mutex);
      work.swap(inbox);
      stop = stopped;
    }
    for (auto& closure : work) closure();
    if (stop) (void)sd_event_exit(event, 0);  // cannot fail on a running loop
  }

  static int OnTimer(sd_event_source* source, uint64_t, void* data) {
    auto* timer = static_cast<Timer*>(data);
    (void)sd_event_source_set_time_relative(source, timer->period_usec);  // re-arming a live source cannot fail
    (void)sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    timer->closure();
    return 0;
  }
  static int OnSignal(sd_event_source*, const signalfd_siginfo*, void* data) {
    (*static_cast<Closure*>(data))();
    return 0;
  }
  static int OnReadable(sd_event_source*, int, uint32_t, void* data) {
    (*static_cast<Closure*>(data))();
    return 0;
  }
};

EventLoop::EventLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::Create(size_t inbox_capacity) {
  auto impl = std::make_unique<Impl>();
  impl->capacity = inbox_capacity;
  if (int error = sd_event_new(&impl->event); error < 0) return Errno(-error, "create event loop");
  impl->wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl->wake.valid()) return Errno(errno, "create eventfd");
  std::unique_ptr<EventLoop> loop(new EventLoop(std::move(impl)));
  Impl* raw = loop->impl_.get();
  BULKHEAD_RETURN_IF_ERROR(loop->AddReadable(raw->wake.get(), [raw] { raw->DrainInbox(); }));
  return loop;
}

Status EventLoop::Post(Closure closure) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return Unavailable("the agent is stopping");
    if (impl_->inbox.size() >= impl_->capacity)
      return ResourceExhausted(fmt::format("{} requests are waiting already: retry later", impl_->inbox.size()));
    impl_->inbox.push_back(std::move(closure));
  }
  const uint64_t one = 1;
  (void)!::write(impl_->wake.get(), &one, sizeof(one));  // fails only when already readable
  return Ok();
}

size_t EventLoop::Waiting() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->inbox.size();
}

size_t EventLoop::Capacity() const { return impl_->capacity; }

Result<EventLoop::TimerId> EventLoop::AddTimer(std::chrono::nanoseconds period, Closure closure) {
  auto timer = std::make_unique<Impl::Timer>();
  timer->period_usec = Microseconds(period);
  timer->closure = std::move(closure);
  const int error = sd_event_add_time_relative(impl_->event, &timer->source, CLOCK_MONOTONIC, timer->period_usec, 1000,
                                               &Impl::OnTimer, timer.get());
  if (error < 0) return Errno(-error, "add timer");
  impl_->timers.push_back(std::move(timer));
  return impl_->timers.size() - 1;
}

Status EventLoop::SetPeriod(TimerId timer, std::chrono::nanoseconds period) {
  Impl::Timer& known = *impl_->timers.at(timer);
  known.period_usec = Microseconds(period);
  const int error = sd_event_source_set_time_relative(known.source, known.period_usec);
  return error < 0 ? Errno(-error, "set timer") : Ok();
}

Status EventLoop::AddSignal(int signal, Closure closure) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  if (int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) return Errno(error, "block signal");
  impl_->closures.push_back(std::make_unique<Closure>(std::move(closure)));
  const int error = sd_event_add_signal(impl_->event, nullptr, signal, &Impl::OnSignal, impl_->closures.back().get());
  return error < 0 ? Errno(-error, fmt::format("watch signal {}", signal)) : Ok();
}

Status EventLoop::AddReadable(int fd, Closure closure) {
  impl_->closures.push_back(std::make_unique<Closure>(std::move(closure)));
  const int error =
      sd_event_add_io(impl_->event, nullptr, fd, EPOLLIN, &Impl::OnReadable, impl_->closures.back().get());
  return error < 0 ? Errno(-error, fmt::format("watch descriptor {}", fd)) : Ok();
}

Status EventLoop::Run() {
  const int error = sd_event_loop(impl_->event);
  return error < 0 ? Errno(-error, "event loop") : Ok();
}

void EventLoop::Stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
  }
  const uint64_t one = 1;
  (void)!::write(impl_->wake.get(), &one, sizeof(one));  // fails only when already readable
}

void EventLoop::Close() {
  Stop();
  std::deque<Closure> dropped;  // destroyed without the lock: what they own may post
  const std::lock_guard lock(impl_->mutex);
  dropped.swap(impl_->inbox);
}

}  // namespace bulkhead
