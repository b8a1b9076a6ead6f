#include "agent/model/limit_levels.h"

#include <gmock/gmock.h>

#include "tests/support/builders.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(Overall, TheNarrowestBoundCountsAndItsLevelIsNamed) {
  const OverallLimits overall = Overall({{"task", {{LimitKind::kMemoryMax, 256}, {LimitKind::kPidsMax, 10}}},
                                         {"tenant", {{LimitKind::kMemoryMax, 200}, {LimitKind::kPidsMax, 20}}},
                                         {"host", {{LimitKind::kMemoryMax, 300}, {LimitKind::kCpuMax, 50'000}}}});
  EXPECT_EQ(overall.limits,
            (Limits{{LimitKind::kCpuMax, 50'000}, {LimitKind::kMemoryMax, 200}, {LimitKind::kPidsMax, 10}}));
  EXPECT_THAT(overall.decided_by, ElementsAre(Pair(LimitKind::kCpuMax, "host"), Pair(LimitKind::kMemoryMax, "tenant")));
}

TEST(Overall, SetsAreWhatAllLevelsHave) {
  const OverallLimits overall =
      Overall({{"task", {{LimitKind::kCpuCpus, Set("0-2")}}}, {"tenant", {{LimitKind::kCpuCpus, Set("1-3")}}}});
  EXPECT_EQ(overall.limits.Get(LimitKind::kCpuCpus), LimitValue(Set("1-2")));
}

TEST(Overall, AProtectionIsWorthWhatTheTenantsIs) {
  const OverallLimits none = Overall({{"task", {{LimitKind::kMemoryLow, 64}}}, {"tenant", {}}});
  EXPECT_EQ(none.limits.Get(LimitKind::kMemoryLow), std::nullopt);
  EXPECT_THAT(none.decided_by, ElementsAre(Pair(LimitKind::kMemoryLow, "tenant")));
  const OverallLimits part =
      Overall({{"task", {{LimitKind::kMemoryLow, 64}}}, {"tenant", {{LimitKind::kMemoryLow, 32}}}});
  EXPECT_EQ(part.limits.Number(LimitKind::kMemoryLow), 32u);
}

TEST(Overall, WeightsConcernOneLevel) {
  const OverallLimits overall =
      Overall({{"task", {{LimitKind::kCpuWeight, 50}}}, {"tenant", {{LimitKind::kCpuWeight, 9}}}});
  EXPECT_TRUE(overall.limits.empty());
  EXPECT_THAT(overall.decided_by, IsEmpty());
}

TEST(OverCommits, TasksThatMayUseMoreThanTheirTenant) {
  const Limits tenant{{LimitKind::kMemoryMax, 100}, {LimitKind::kPidsMax, 10}};
  EXPECT_THAT(OverCommits(tenant, {{{LimitKind::kMemoryMax, 100}, {LimitKind::kPidsMax, 4}}}), IsEmpty());
  const auto over = OverCommits(tenant, {{{LimitKind::kMemoryMax, 60}, {LimitKind::kPidsMax, 4}},
                                         {{LimitKind::kMemoryMax, 60}, {LimitKind::kPidsMax, 6}}});
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].id, LimitId(LimitKind::kMemoryMax));
  EXPECT_EQ(over[0].limit, 100u);
  EXPECT_EQ(over[0].sum, 120u);
}

TEST(OverCommits, ATaskWithoutALimitMayUseAllOfItsTenants) {
  const auto over = OverCommits({{LimitKind::kPidsMax, 10}}, {{}, {{LimitKind::kPidsMax, 1}}});
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].sum, 11u);
}

}  // namespace
}  // namespace bulkhead::test
