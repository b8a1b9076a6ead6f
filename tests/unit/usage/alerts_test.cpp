#include "agent/usage/alerts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bulkhead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class AlertsTest : public ::testing::Test {
 protected:
  void Observe(std::chrono::seconds at) {
    reading.at = at;
    alerts.Observe(task, reading);
  }
  std::vector<std::string> Take() { return std::exchange(told, {}); }
  std::vector<std::string> told;
  Alerts alerts{[this](const std::string& kind, const std::string& name, const std::string& message) {
    told.push_back(kind + " " + name + ": " + message);
  }};
  LiveTask task{.id = {"acme", "web"}, .uid = "one"};
  UsageReading reading;
};

TEST_F(AlertsTest, TellsKillsOfATaskThatIsSeenForTheFirstTime) {
  reading.oom_kills = 1;
  Observe(std::chrono::seconds(1));
  EXPECT_THAT(Take(), ElementsAre("oom_kill acme/web: a process was killed: memory.max reached"));
}

TEST_F(AlertsTest, TellsOnceInTenSecondsAndThenTheSum) {
  reading.pids_failures = 3;
  Observe(std::chrono::seconds(1));
  EXPECT_THAT(Take(), ElementsAre("pids_limit acme/web: 3 forks refused: pids.max reached"));
  reading.pids_failures = 5;
  Observe(std::chrono::seconds(2));
  reading.pids_failures = 9;
  Observe(std::chrono::seconds(10));
  EXPECT_THAT(Take(), IsEmpty());
  Observe(std::chrono::seconds(11));
  EXPECT_THAT(Take(), ElementsAre("pids_limit acme/web: 6 forks refused: pids.max reached"));
  Observe(std::chrono::seconds(30));
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(AlertsTest, KindsDoNotSilenceEachOther) {
  reading.throttled_periods = 2;
  reading.throttled_ns = 50'000'000;
  reading.network.dropped[1][static_cast<size_t>(DropReason::kPolicy)] = 7;
  Observe(std::chrono::seconds(1));
  EXPECT_THAT(Take(), ElementsAre("throttled acme/web: held back by cpu.max in 2 periods, 50 ms in all",
                                  "dropped acme/web: packets or calls refused: 7 egress (policy)"));
}

TEST_F(AlertsTest, WhatWasToldBeforeARestartIsNotToldAgain) {
  reading.oom_kills = 4;
  alerts.Begin(task, reading);
  Observe(std::chrono::seconds(1));
  EXPECT_THAT(Take(), IsEmpty());
  reading.oom_kills = 5;
  Observe(std::chrono::seconds(2));
  EXPECT_EQ(Take().size(), 1U);
}

TEST_F(AlertsTest, ATaskMadeAnewIsAnotherTask) {
  reading.oom_kills = 4;
  Observe(std::chrono::seconds(1));
  (void)Take();
  task.uid = "two";
  reading.oom_kills = 1;
  Observe(std::chrono::seconds(2));
  EXPECT_THAT(Take(), ElementsAre("oom_kill acme/web: a process was killed: memory.max reached"));
}

}  // namespace
}  // namespace bulkhead
