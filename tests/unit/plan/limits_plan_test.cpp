// The order in which one cgroup's limits change.
#include "agent/plan/limits_plan.h"

#include <gmock/gmock.h>

#include "tests/support/builders.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Steps(const Limits& held, const Limits& wanted, Part part = Part::kAll,
                               const std::set<LimitKind>& copied = {}) {
  std::vector<std::string> texts;
  for (const SetLimit& step : PlanLimits({"acme"}, {wanted, held}, part, copied))
    texts.push_back(ToString(Step(step)).substr(6));
  return texts;
}

TEST(PlanLimits, BurstStaysWithinTheQuotaAtEveryMoment) {
  const Limits low{{LimitKind::kCpuMax, 20'000}, {LimitKind::kCpuBurst, 20'000}};
  const Limits high{{LimitKind::kCpuMax, 50'000}, {LimitKind::kCpuBurst, 50'000}};
  EXPECT_THAT(Steps(low, high), ElementsAre("cpu.max = 50000", "cpu.burst = 50000"));
  EXPECT_THAT(Steps(high, low), ElementsAre("cpu.burst = 20000", "cpu.max = 20000"));
  EXPECT_THAT(Steps({}, high), ElementsAre("cpu.max = 50000", "cpu.burst = 50000"));
  EXPECT_THAT(Steps(high, {}), ElementsAre("cpu.burst = 0", "cpu.max = max"));
}

TEST(PlanLimits, HighIsNeverAboveMax) {
  const Limits low{{LimitKind::kMemoryMax, 200}, {LimitKind::kMemoryHigh, 100}};
  const Limits high{{LimitKind::kMemoryMax, 400}, {LimitKind::kMemoryHigh, 300}};
  EXPECT_THAT(Steps(low, high), ElementsAre("memory.max = 400", "memory.high = 300"));
  EXPECT_THAT(Steps(high, low), ElementsAre("memory.high = 100", "memory.max = 200"));
}

TEST(PlanLimits, WeightIsSetWhileTheCgroupIsNotIdle) {
  EXPECT_THAT(Steps({{LimitKind::kCpuIdle, 1}}, {{LimitKind::kCpuWeight, 300}}),
              ElementsAre("cpu.idle = 0", "cpu.weight = 300"));
  EXPECT_THAT(Steps({{LimitKind::kCpuWeight, 300}}, {{LimitKind::kCpuIdle, 1}}),
              ElementsAre("cpu.weight = 100", "cpu.idle = 1"));
}

TEST(PlanLimits, WideningAndNarrowingAreApart) {
  const Limits held{{LimitKind::kCpuMax, 20'000}, {LimitKind::kCpuIdle, 1}, {LimitKind::kMemoryMax, 400}};
  const Limits wanted{{LimitKind::kCpuMax, 30'000}, {LimitKind::kMemoryMax, 200}, {LimitKind::kPidsMax, 7}};
  EXPECT_THAT(Steps(held, wanted, Part::kWidening), ElementsAre("cpu.max = 30000", "cpu.idle = 0"));
  EXPECT_THAT(Steps(held, wanted, Part::kNarrowing), ElementsAre("memory.max = 200", "pids.max = 7"));
}

TEST(PlanLimits, ASetThatIsExchangedNarrowsUnlessOthersHoldCopies) {
  const Limits held{{LimitKind::kCpuCpus, Set("0")}};
  const Limits wanted{{LimitKind::kCpuCpus, Set("1")}};
  EXPECT_THAT(Steps(held, wanted, Part::kWidening), IsEmpty());
  EXPECT_THAT(Steps(held, wanted, Part::kNarrowing), ElementsAre("cpu.cpus = 1"));
  const std::set<LimitKind> copied{LimitKind::kCpuCpus};
  EXPECT_THAT(Steps(held, wanted, Part::kWidening, copied), ElementsAre("cpu.cpus = 0-1"));
  EXPECT_THAT(Steps(held, wanted, Part::kNarrowing, copied), ElementsAre("cpu.cpus = 1"));
  EXPECT_THAT(Steps({}, wanted, Part::kWidening, copied), IsEmpty());
  EXPECT_THAT(Steps(held, {}, Part::kWidening, copied), ElementsAre("cpu.cpus = all"));
}

TEST(PlanLimits, WhatComesWithAnotherLimitIsSetToo) {
  const Limits effective{{LimitKind::kMemoryMax, 400}, {LimitKind::kSwapMax, 0}};
  for (const Limits& held : {Limits{}, Limits{{LimitKind::kSwapMax, 8}}})
    EXPECT_EQ(PlanLimits({"acme"}, {effective, held}, Part::kAll, {}).size(), 2U);
  const auto opened = PlanLimits({"acme"}, {effective, {{LimitKind::kMemoryMax, 400}}}, Part::kAll, {});
  ASSERT_EQ(opened.size(), 1U) << "somebody has lifted it behind our back";
  EXPECT_EQ(ToString(Step(opened[0])), "acme: memory.swap_max = 0");
}

}  // namespace
}  // namespace bulkhead::test
