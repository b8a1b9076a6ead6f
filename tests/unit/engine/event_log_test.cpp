#include "agent/engine/event_log.h"

#include <gmock/gmock.h>

#include "tests/support/fake_clock.h"

namespace bulkhead {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Types(const std::vector<Event>& events) {
  std::vector<std::string> types;
  for (const Event& event : events) types.push_back(event.type);
  return types;
}

TEST(EventLog, KeepsTheNewestAndNumbersAll) {
  FakeClock clock;
  EventLog log(clock, 2);
  for (const char* type : {"a", "b", "c"}) log.Add(type, "acme", "x");
  EXPECT_THAT(Types(log.After(0)), ElementsAre("b", "c"));
  EXPECT_THAT(Types(log.After(2)), ElementsAre("c"));
  EXPECT_EQ(log.After(2).front().sequence, 3U);
  EXPECT_EQ(log.After(2).front().time, clock.Wall());
}

TEST(EventLog, ListenersHearUntilTheyLeaveEvenFromWithin) {
  FakeClock clock;
  EventLog log(clock, 10);
  int heard = 0;
  int subscription = 0;
  subscription = log.Subscribe([&](const Event&) {
    ++heard;
    log.Unsubscribe(subscription);
  });
  log.Add("a", "", "");
  log.Add("b", "", "");
  EXPECT_EQ(heard, 1);
}

}  // namespace
}  // namespace bulkhead
