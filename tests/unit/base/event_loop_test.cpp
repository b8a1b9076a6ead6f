#include "agent/base/event_loop.h"

#include <gmock/gmock.h>

#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using namespace std::chrono_literals;

TEST(EventLoop, APeriodIsChangedWhileTheTimerWaits) {
  BULKHEAD_TEST_ASSIGN(const auto loop, EventLoop::Create(8));
  int ticks = 0;
  BULKHEAD_TEST_ASSIGN(const EventLoop::TimerId timer, loop->AddTimer(1h, [&] {
    if (++ticks == 3) loop->Stop();
  }));
  ASSERT_THAT(loop->SetPeriod(timer, 1ms), IsOk());
  ASSERT_THAT(loop->Run(), IsOk());  // would take three hours
  EXPECT_EQ(ticks, 3);
}

TEST(EventLoop, OtherTimersKeepTheirPeriod) {
  BULKHEAD_TEST_ASSIGN(const auto loop, EventLoop::Create(8));
  int others = 0;
  BULKHEAD_TEST_ASSIGN(const EventLoop::TimerId changed, loop->AddTimer(1ms, [] {}));
  BULKHEAD_TEST_ASSIGN([[maybe_unused]] const EventLoop::TimerId other, loop->AddTimer(1ms, [&] {
    if (++others == 3) loop->Stop();
  }));
  ASSERT_THAT(loop->SetPeriod(changed, 1h), IsOk());
  ASSERT_THAT(loop->Run(), IsOk());
}

}  // namespace
}  // namespace bulkhead::test
