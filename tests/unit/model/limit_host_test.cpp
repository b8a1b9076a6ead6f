#include "agent/model/limit_host.h"

#include <gmock/gmock.h>

#include "tests/support/builders.h"
#include "tests/support/fake_cgroup_tree.h"

namespace bulkhead::test {
namespace {

const LimitHost kUnified = FakeCgroupTree::Unified();
const LimitHost kHybrid = FakeCgroupTree::Hybrid();

TEST(EffectiveOn, RoundsDropsDefaultsAndWhatTheHostLacks) {
  LimitHost host = kUnified;
  host.weaker[LimitKind::kPidsMax] = {LimitSupport::Level::kNone, "no"};
  host.weaker[LimitKind::kMemoryHigh] = {LimitSupport::Level::kWeak, "soft"};
  const Limits wanted{{LimitKind::kCpuWeight, 100},    {LimitKind::kCpuIdle, 0}, {LimitKind::kMemoryMax, 5'000},
                      {LimitKind::kMemoryHigh, 4'096}, {LimitKind::kSwapMax, 0}, {LimitKind::kPidsMax, 7}};
  EXPECT_EQ(EffectiveOn(host, Tier::kTask, wanted, {}),
            (Limits{{LimitKind::kMemoryMax, 4'096}, {LimitKind::kMemoryHigh, 4'096}, {LimitKind::kSwapMax, 0}}));
}

TEST(EffectiveOn, V1LeavesNoSwapBesideALimitOnMemoryAndNoLimitWithoutOne) {
  const Limits max{{LimitKind::kMemoryMax, 8'192}};
  const Limits swap{{LimitKind::kSwapMax, 4'096}};
  EXPECT_EQ(EffectiveOn(kUnified, Tier::kTask, max, {}), max);
  EXPECT_EQ(EffectiveOn(kUnified, Tier::kTask, swap, {}), swap);
  EXPECT_EQ(EffectiveOn(kHybrid, Tier::kTask, max, {}),
            (Limits{{LimitKind::kMemoryMax, 8'192}, {LimitKind::kSwapMax, 0}}));
  EXPECT_EQ(EffectiveOn(kHybrid, Tier::kTask, swap, {}), Limits{});
  EXPECT_THAT(SupportOn(kHybrid, Tier::kTask, LimitKind::kSwapMax, swap).why,
              ::testing::HasSubstr("together with memory.max"));
  EXPECT_EQ(SupportOn(kHybrid, Tier::kTask, LimitKind::kSwapMax, max), LimitSupport{});
}

TEST(EffectiveOn, V1TasksHoldTheirTenantsSets) {
  const Limits above{{LimitKind::kCpuCpus, Set("1-2")}};
  const Limits own{{LimitKind::kCpuCpus, Set("2")}};
  EXPECT_EQ(EffectiveOn(kUnified, Tier::kTask, {}, above), Limits{});
  EXPECT_EQ(EffectiveOn(kHybrid, Tier::kTask, {}, above), above);
  EXPECT_EQ(EffectiveOn(kHybrid, Tier::kTask, own, above), own);
  EXPECT_EQ(EffectiveOn(kHybrid, Tier::kTask, {{LimitKind::kCpuCpus, kHybrid.cpus}}, {}), Limits{})
      << "all is no limit";
}

TEST(EffectiveOn, V1LimitsDisksForTasksOnly) {
  const Limits io{{{LimitKind::kIoReadBps, 8}, 100}, {{LimitKind::kIoWriteBps, 8}, 100}};
  EXPECT_EQ(EffectiveOn(kUnified, Tier::kTenant, io, {}), io);
  EXPECT_EQ(EffectiveOn(kHybrid, Tier::kTenant, io, {}), Limits{});
  EXPECT_EQ(EffectiveOn(kHybrid, Tier::kTask, io, {}), io);
  EXPECT_EQ(SupportOn(kHybrid, Tier::kTask, {LimitKind::kIoReadBps, 8}, io), LimitSupport{});
  EXPECT_EQ(SupportOn(kHybrid, Tier::kTask, {LimitKind::kIoWriteBps, 8}, io).level, LimitSupport::Level::kWeak);
}

TEST(EffectiveOn, HugePagesAreWholeAndOfASizeThatThereIs) {
  constexpr uint64_t kSize = uint64_t{2} << 20U;
  const LimitId there{LimitKind::kHugetlbMax, kSize};
  const LimitId missing{LimitKind::kHugetlbMax, kSize / 2};
  EXPECT_EQ(EffectiveOn(kUnified, Tier::kTask, {{there, 2 * kSize + 1}, {missing, 1}}, {}),
            (Limits{{there, 2 * kSize}}));
  EXPECT_EQ(SupportOn(kUnified, Tier::kTask, missing, {}).why, "this host has no huge pages of 1MiB; it has 2MiB");
}

TEST(EffectiveLimit, BfqHasFewerWeights) {
  for (uint64_t weight = 1; weight <= 10'000; ++weight) {
    const auto held = EffectiveLimit(kHybrid, LimitKind::kIoWeight, weight).value_or(kDefaultIoWeight).number();
    ASSERT_LE(held, weight);
    ASSERT_GT(held + 11, weight);
    ASSERT_EQ(EffectiveLimit(kHybrid, LimitKind::kIoWeight, held).value_or(kDefaultIoWeight), held) << "stays there";
  }
  EXPECT_EQ(BfqFromWeight(10'000), 1'000U);
}

TEST(EffectiveLimit, BytesAreWholePages) {
  LimitHost host;
  EXPECT_EQ(EffectiveLimit(host, LimitKind::kMemoryMax, 50'000'000), 49'999'872u);
  EXPECT_EQ(EffectiveLimit(host, LimitKind::kMemoryMax, 4095), 0u);
  EXPECT_EQ(EffectiveLimit(host, LimitKind::kMemoryMax, ~uint64_t{0}), std::nullopt);
  EXPECT_EQ(EffectiveLimit(host, LimitKind::kMemoryLow, 4095), std::nullopt);
  EXPECT_EQ(EffectiveLimit(host, LimitKind::kPidsMax, 4095), 4095u);
  host.page_size = 65'536;
  EXPECT_EQ(EffectiveLimit(host, LimitKind::kMemoryMax, 65'536 + 4096), 65'536u);
}

}  // namespace
}  // namespace bulkhead::test
