// How every CgroupTree holds limits, the kernel's and the fakes.
#include <cerrno>

#include <gmock/gmock.h>

#include "tests/contract/tree_world.h"
#include "tests/support/builders.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::HasSubstr;

class CgroupLimitsContract : public CgroupTreeContract {
 protected:
  void SetUp() override {
    CgroupTreeContract::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) CreateWeb();
  }
  // In the order of kinds, which no kernel refuses for a cgroup that has nothing yet.
  void SetAll(const CgroupPath& path, const Limits& wanted) {
    for (const auto& [id, value] : wanted) {
      if (tree().Supports(path, id, wanted).level == LimitSupport::Level::kNone) continue;
      const auto held = tree().SetLimit(path, id, value);
      ASSERT_THAT(held, IsOk()) << path.value << " " << ToString(id);
    }
  }
  bool Copies(LimitKind kind) { return tree().Copied().contains(kind); }
};

const Limits kEverything{{LimitKind::kCpuMax, 50'000},        {LimitKind::kCpuBurst, 20'000},
                         {LimitKind::kCpuWeight, 300},        {LimitKind::kCpuCpus, Set("0")},
                         {LimitKind::kCpuMems, Set("0")},     {LimitKind::kMemoryMax, 64u << 20},
                         {LimitKind::kMemoryHigh, 60u << 20}, {LimitKind::kMemoryLow, 32u << 20},
                         {LimitKind::kMemoryMin, 16u << 20},  {LimitKind::kSwapMax, 8u << 20},
                         {LimitKind::kOomGroup, 1},           {LimitKind::kPidsMax, 20},
                         {LimitKind::kIoWeight, 221},         {{LimitKind::kHugetlbMax, 2u << 20}, 6u << 20}};

TEST_P(CgroupLimitsContract, LimitsAreHeldAndLifted) {
  const Limits above = tree().Effective(kAcme, kEverything, {});
  for (const CgroupPath& path : {kWeb, kAcme}) SetAll(path, kEverything);  // from the bottom up: sets narrow
  EXPECT_EQ(*tree().ReadLimits(kAcme), above);
  EXPECT_EQ(*tree().ReadLimits(kWeb), tree().Effective(kWeb, kEverything, above));
  for (const LimitKind kind : {LimitKind::kCpuMax, LimitKind::kMemoryMax, LimitKind::kPidsMax})
    ASSERT_TRUE(above.Has(kind)) << "no host is without it";
  for (const CgroupPath& path : {kAcme, kWeb}) {  // sets from the top down, as some hosts need it
    for (const LimitKind kind : {LimitKind::kCpuCpus, LimitKind::kCpuMems})
      if (above.Has(kind)) {
        EXPECT_EQ(*tree().SetLimit(path, kind, std::nullopt), std::nullopt);
      }
  }
  for (const auto& [id, value] : tree().Effective(kWeb, kEverything, {}))
    if (!TraitsOf(id.kind).neutral) {
      EXPECT_THAT(tree().SetLimit(kWeb, id, std::nullopt), IsOk()) << ToString(id);
    }
  for (const auto& [id, value] : tree().Effective(kWeb, kEverything, {}))
    if (TraitsOf(id.kind).neutral) {
      EXPECT_EQ(*tree().SetLimit(kWeb, id, std::nullopt), std::nullopt) << ToString(id);
    }
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{});
  EXPECT_EQ(tree().ReadLimits(kAcme)->Number(LimitKind::kPidsMax), 20u);
}

TEST_P(CgroupLimitsContract, SomeLimitsAreReadAlone) {
  SetAll(kWeb, kEverything);
  const Limits some = *tree().ReadLimits(kWeb, {LimitKind::kPidsMax, LimitKind::kCpuIdle, LimitKind::kMemoryMax});
  EXPECT_EQ(some, (Limits{{LimitKind::kMemoryMax, 64u << 20}, {LimitKind::kPidsMax, 20}}));
  EXPECT_EQ(*tree().ReadLimits(kWeb, {}), Limits{});
  EXPECT_THAT(tree().ReadLimits(kDb, {}), StatusIs(StatusCode::kNotFound, HasSubstr("acme/db")));
}

TEST_P(CgroupLimitsContract, LimitsGoUpAndDownAgain) {
  for (const uint64_t mib : {64, 512, 16, 1024, 8}) {
    EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kMemoryMax, mib << 20), mib << 20);
    EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kMemoryMax), mib << 20);
  }
  for (const uint64_t usec : {1'000, 400'000, 20'000, 1'000'000'000})
    EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kCpuMax, usec), usec);
}

TEST_P(CgroupLimitsContract, EffectiveSaysWhatIsReadBack) {
  const std::pair<LimitKind, std::optional<LimitValue>> values[] = {
      {LimitKind::kCpuMax, 1'000},         {LimitKind::kCpuMax, 123'457},
      {LimitKind::kCpuBurst, 0},           {LimitKind::kCpuBurst, 1},
      {LimitKind::kMemoryMax, 50'000'000}, {LimitKind::kMemoryMax, (1ULL << 60) - 1},
      {LimitKind::kMemoryMax, ~0ULL >> 1}, {LimitKind::kMemoryHigh, 50'000'001},
      {LimitKind::kMemoryLow, 5'000},      {LimitKind::kMemoryMin, 0},
      {LimitKind::kOomGroup, 0},           {LimitKind::kPidsMax, 4'194'304},
      {LimitKind::kCpuCpus, Set("0")},     {LimitKind::kPidsMax, std::nullopt}};
  for (const auto& [kind, value] : values) {
    Limits wanted;
    wanted.Set(kind, value);
    if (tree().Supports(kWeb, kind, wanted).level == LimitSupport::Level::kNone) continue;
    const auto held = tree().SetLimit(kWeb, kind, value);
    ASSERT_THAT(held, IsOk()) << LimitName(kind);
    EXPECT_EQ(*held, tree().Effective(kWeb, wanted, {}).Get(kind)) << LimitName(kind);
    EXPECT_EQ(tree().ReadLimits(kWeb)->Get(kind), *held) << LimitName(kind);
  }
  EXPECT_EQ(tree().Effective(kWeb, {{LimitKind::kMemoryMax, 50'000'000}}, {}).Number(LimitKind::kMemoryMax),
            49'999'872u);  // 4 KiB pages
  for (uint64_t weight = 1; weight <= 10'000; weight += weight < 200 ? 1 : 97) {
    const auto held = tree().SetLimit(kWeb, LimitKind::kCpuWeight, weight);
    ASSERT_THAT(held, IsOk()) << weight;
    ASSERT_EQ(*held, tree().Effective(kWeb, {{LimitKind::kCpuWeight, weight}}, {}).Get(LimitKind::kCpuWeight));
    ASSERT_EQ(held->value_or(kDefaultCpuWeight), weight);
  }
}

TEST_P(CgroupLimitsContract, ValuesTheKernelDoesNotTakeAreErrorsThatNameCgroupAndErrno) {
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kCpuMax, 50'000), IsOk());
  const struct {
    LimitKind kind;
    uint64_t value;
    int error;
  } bad[] = {{LimitKind::kCpuMax, 999, EINVAL},       {LimitKind::kCpuMax, 0, EINVAL},
             {LimitKind::kCpuBurst, 50'001, EINVAL},  {LimitKind::kCpuWeight, 0, ERANGE},
             {LimitKind::kCpuWeight, 10'001, ERANGE}, {LimitKind::kCpuIdle, 2, EINVAL},
             {LimitKind::kPidsMax, 4'194'305, EINVAL}};
  for (const auto& [kind, value, error] : bad) {
    const Status status = tree().SetLimit(kWeb, kind, value).status();
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, HasSubstr("acme/web"))) << LimitName(kind) << value;
    EXPECT_EQ(ErrnoOf(status), error) << LimitName(kind) << " " << value;
  }
  EXPECT_EQ(*tree().ReadLimits(kWeb), (Limits{{LimitKind::kCpuMax, 50'000}}));
}

TEST_P(CgroupLimitsContract, AQuotaIsNeverBelowTheBurst) {
  SetAll(kWeb, {{LimitKind::kCpuMax, 50'000}, {LimitKind::kCpuBurst, 40'000}});
  EXPECT_EQ(ErrnoOf(tree().SetLimit(kWeb, LimitKind::kCpuMax, 30'000).status()), EINVAL);
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kCpuBurst, 30'000), IsOk());
  EXPECT_THAT(tree().SetLimit(kWeb, LimitKind::kCpuMax, 30'000), IsOk());
}

TEST_P(CgroupLimitsContract, AnIdleCgroupHasNoWeight) {
  SetAll(kWeb, {{LimitKind::kCpuWeight, 300}, {LimitKind::kCpuIdle, 1}});
  EXPECT_EQ(*tree().ReadLimits(kWeb), (Limits{{LimitKind::kCpuIdle, 1}}));
  EXPECT_EQ(*tree().ReadLimits(kWeb, {LimitKind::kCpuWeight}), Limits{});
  EXPECT_EQ(ErrnoOf(tree().SetLimit(kWeb, LimitKind::kCpuWeight, 300).status()), EINVAL);
  ASSERT_EQ(*tree().SetLimit(kWeb, LimitKind::kCpuIdle, std::nullopt), std::nullopt);
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{}) << "the weight of before is forgotten";
  EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kCpuWeight, 1), 1u);
  EXPECT_EQ(*tree().ReadLimits(kWeb), (Limits{{LimitKind::kCpuWeight, 1}})) << "the least weight is not idle";
}

TEST_P(CgroupLimitsContract, ATenantsSetHoldsItsTasks) {
  if (tree().Supports(kWeb, LimitKind::kCpuCpus, {}).level == LimitSupport::Level::kNone)
    GTEST_SKIP() << tree().Supports(kWeb, LimitKind::kCpuCpus, {}).why;
  const Limits one{{LimitKind::kCpuCpus, Set("0")}};
  if (!Copies(LimitKind::kCpuCpus)) {
    ASSERT_THAT(tree().SetLimit(kAcme, LimitKind::kCpuCpus, Set("0")), IsOk());
    EXPECT_EQ(*tree().ReadLimits(kWeb), tree().Effective(kWeb, {}, one)) << "the kernel gives what both have";
    return;
  }
  EXPECT_EQ(ErrnoOf(tree().SetLimit(kAcme, LimitKind::kCpuCpus, Set("0")).status()), EBUSY);
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kCpuCpus, Set("0")), IsOk());
  ASSERT_THAT(tree().SetLimit(kAcme, LimitKind::kCpuCpus, Set("0")), IsOk());
  EXPECT_EQ(*tree().ReadLimits(kWeb), tree().Effective(kWeb, {}, one));
  EXPECT_EQ(ErrnoOf(tree().SetLimit(kWeb, LimitKind::kCpuCpus, std::nullopt).status()), EACCES);
  ASSERT_THAT(tree().Create(kDb), IsOk());
  EXPECT_EQ(*tree().ReadLimits(kDb), one) << "a new task starts with its tenant's";
  SpawnIn(kDb);
}

TEST_P(CgroupLimitsContract, ACpuThatIsNotThereIsAnError) {
  if (tree().Supports(kWeb, LimitKind::kCpuCpus, {}).level == LimitSupport::Level::kNone)
    GTEST_SKIP() << tree().Supports(kWeb, LimitKind::kCpuCpus, {}).why;
  EXPECT_FALSE(tree().SetLimit(kWeb, LimitKind::kCpuCpus, Set("8191")).ok());
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{});
}

TEST_P(CgroupLimitsContract, SwapComesOnTopOfMemory) {
  const Limits both{{LimitKind::kMemoryMax, 64u << 20}, {LimitKind::kSwapMax, 8u << 20}};
  if (tree().Supports(kWeb, LimitKind::kSwapMax, both).level == LimitSupport::Level::kNone)
    GTEST_SKIP() << tree().Supports(kWeb, LimitKind::kSwapMax, both).why;
  const bool alone = tree().Supports(kWeb, LimitKind::kSwapMax, {}).level == LimitSupport::Level::kFull;
  EXPECT_EQ(tree().SetLimit(kWeb, LimitKind::kSwapMax, 8u << 20).ok(), alone);
  SetAll(kWeb, both);
  for (const uint64_t mib : {128, 32}) {
    EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kMemoryMax, mib << 20), mib << 20);
    EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kSwapMax), 8u << 20) << "stays as it was";
  }
  for (const uint64_t mib : {1, 100, 0}) {
    EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kSwapMax, mib << 20), mib << 20);
    EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kMemoryMax), 32u << 20);
  }
}

TEST_P(CgroupLimitsContract, DisksAreLimitedEachForItself) {
  const LimitKind kinds[] = {LimitKind::kIoReadBps, LimitKind::kIoWriteBps, LimitKind::kIoReadIops,
                             LimitKind::kIoWriteIops};
  if (tree().Supports(kWeb, LimitKind::kIoReadBps, {}).level == LimitSupport::Level::kNone)
    GTEST_SKIP() << tree().Supports(kWeb, LimitKind::kIoReadBps, {}).why;
  const uint64_t disk = OfDisk(world_->Disk());
  Limits all;
  for (const LimitKind kind : kinds) {
    all.Set({kind, disk}, 1'000'000 + static_cast<uint64_t>(kind));
    EXPECT_EQ(*tree().SetLimit(kWeb, {kind, disk}, all.Get({kind, disk})), all.Get({kind, disk}));
  }
  EXPECT_EQ(*tree().ReadLimits(kWeb), all);
  EXPECT_EQ(*tree().ReadLimits(kWeb, {{LimitKind::kIoWriteBps, disk}, {LimitKind::kIoReadBps, disk + 1}}),
            (Limits{{{LimitKind::kIoWriteBps, disk}, *all.Get({LimitKind::kIoWriteBps, disk})}}));
  EXPECT_EQ(ErrnoOf(tree().SetLimit(kWeb, {LimitKind::kIoReadBps, OfDisk({239, 4095})}, 5).status()), ENODEV);
  for (const LimitKind kind : kinds) EXPECT_EQ(*tree().SetLimit(kWeb, {kind, disk}, std::nullopt), std::nullopt);
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{});
}

INSTANTIATE_TEST_SUITE_P(, CgroupLimitsContract, ::testing::ValuesIn(kKinds),
                         [](const auto& instance) { return Name(instance.param); });

}  // namespace
}  // namespace bulkhead::test
