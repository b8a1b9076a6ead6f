#include "agent/kernel/limit_files.h"

#include <cerrno>

#include <gmock/gmock.h>

#include "agent/model/limit_host.h"
#include "tests/support/builders.h"
#include "tests/support/matchers.h"

namespace bulkhead {
namespace {

using ::bulkhead::test::IsOk;

const LimitHost kHost;

auto ToText(LimitKind kind, bool v2, const std::optional<LimitValue>& value) {
  return LimitToText(kind, LimitFileOf(kind, v2), value);
}
auto FromText(LimitKind kind, bool v2, std::string_view text, uint64_t period = 0) {
  return LimitFromText(kind, LimitFileOf(kind, v2), text, period);
}

TEST(LimitToText, SpellsValuesAsEachVersionWantsThem) {
  const struct {
    LimitKind kind;
    std::optional<LimitValue> value;
    const char* v2;
    const char* v1;
  } cases[] = {{LimitKind::kCpuMax, 50'000, "50000 100000", "50000"},
               {LimitKind::kCpuMax, std::nullopt, "max 100000", "-1"},
               {LimitKind::kCpuWeight, 200, "200", "2048"},
               {LimitKind::kCpuWeight, 1, "1", "10"},
               {LimitKind::kCpuWeight, 10'000, "10000", "102400"},
               {LimitKind::kCpuWeight, std::nullopt, "100", "1024"},
               {LimitKind::kMemoryMax, 4096, "4096", "4096"},
               {LimitKind::kMemoryMax, std::nullopt, "max", "-1"},
               {LimitKind::kSwapMax, 0, "0", "0"},
               {LimitKind::kCpuBurst, 500, "500", "500"},
               {LimitKind::kCpuBurst, std::nullopt, "0", "0"},
               {LimitKind::kCpuIdle, 1, "1", "1"},
               {LimitKind::kCpuCpus, test::Set("0-2"), "0-2", "0-2"},
               {LimitKind::kCpuCpus, std::nullopt, "\n", "\n"},
               {LimitKind::kPidsMax, 64, "64", "64"},
               {LimitKind::kPidsMax, std::nullopt, "max", "max"}};
  for (const auto& [kind, value, v2, v1] : cases) {
    EXPECT_EQ(*ToText(kind, true, value), v2);
    EXPECT_EQ(*ToText(kind, false, value), v1);
  }
}

TEST(LimitToText, ProtectionsThatAreLiftedAreZero) {
  EXPECT_EQ(*ToText(LimitKind::kMemoryLow, true, std::nullopt), "0");
  EXPECT_EQ(*ToText(LimitKind::kMemoryMin, true, std::nullopt), "0");
  EXPECT_EQ(*ToText(LimitKind::kOomGroup, true, std::nullopt), "0");
  for (const LimitKind kind : {LimitKind::kMemoryLow, LimitKind::kMemoryMin, LimitKind::kOomGroup})
    EXPECT_EQ(LimitFileOf(kind, false).value, nullptr) << "cgroup v1 has none";
}

TEST(LimitToText, RefusesWeightsThatV1WouldClampInSilence) {
  for (const uint64_t weight : {uint64_t{0}, uint64_t{10'001}, ~uint64_t{0}}) {
    EXPECT_EQ(ErrnoOf(ToText(LimitKind::kCpuWeight, false, weight).status()), ERANGE);
    EXPECT_EQ(ErrnoOf(ToText(LimitKind::kCpuWeight, true, weight).status()), ERANGE);
  }
}

TEST(LimitFromText, ReadsWhatTheKernelShows) {
  EXPECT_EQ(*FromText(LimitKind::kCpuMax, true, "50000 100000\n"), 50'000u);
  EXPECT_EQ(*FromText(LimitKind::kCpuMax, true, "max 100000\n"), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kCpuMax, true, "5000 10000\n"), 50'000u);  // another period, the same share
  EXPECT_EQ(*FromText(LimitKind::kCpuMax, false, "50000\n", 200'000), 25'000u);
  EXPECT_EQ(*FromText(LimitKind::kCpuMax, false, "-1\n", 100'000), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kCpuWeight, true, "100\n"), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kCpuWeight, false, "1024\n"), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kCpuWeight, false, "2048\n"), 200u);
  EXPECT_EQ(*FromText(LimitKind::kMemoryMax, true, "max\n"), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kMemoryMax, false, "9223372036854771712\n"), std::nullopt);  // 4 KiB pages
  EXPECT_EQ(*FromText(LimitKind::kMemoryMax, false, "9223372036854710272\n"), std::nullopt);  // 64 KiB pages
  EXPECT_EQ(*FromText(LimitKind::kMemoryMax, false, "4096\n"), 4096u);
  EXPECT_EQ(*FromText(LimitKind::kPidsMax, false, "max\n"), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kPidsMax, true, "64\n"), 64u);
  EXPECT_EQ(*FromText(LimitKind::kCpuBurst, true, "0\n"), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kMemoryLow, true, "0\n"), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kSwapMax, true, "0\n"), 0u);
  EXPECT_EQ(*FromText(LimitKind::kCpuCpus, true, "\n"), std::nullopt);
  EXPECT_EQ(*FromText(LimitKind::kCpuCpus, false, "0-1,3\n"), test::Set("0-1,3"));
}

TEST(LimitFromText, HugePagesThatNobodyLimitedAreNotLimited) {
  const LimitId id{LimitKind::kHugetlbMax, 2u << 20};
  for (const bool v2 : {true, false})
    for (const char* text : {"9223372036854771712", "9223372036852678656"})
      EXPECT_EQ(*LimitFromText(id, LimitFileOf(id.kind, v2), text), std::nullopt) << v2 << text;
}

TEST(LimitFromText, SaysWhenItUnderstandsNothing) {
  EXPECT_FALSE(FromText(LimitKind::kCpuCpus, true, "0-\n").ok());
  for (const char* text : {"", "\n", "12x\n", "-5\n", "99999999999999999999\n", "1 2 3\n", "5 0\n"}) {
    EXPECT_FALSE(FromText(LimitKind::kCpuMax, true, text).ok()) << text;
    EXPECT_FALSE(FromText(LimitKind::kPidsMax, true, text).ok()) << text;
  }
  EXPECT_FALSE(FromText(LimitKind::kCpuMax, false, "5000\n").ok());  // no period
}

TEST(EffectiveLimit, EveryWeightSurvivesTheWayThroughShares) {
  for (uint64_t weight = 1; weight <= 10'000; ++weight) {
    auto text = ToText(LimitKind::kCpuWeight, false, weight);
    ASSERT_THAT(text, IsOk());
    ASSERT_EQ(*FromText(LimitKind::kCpuWeight, false, *text), EffectiveLimit(kHost, LimitKind::kCpuWeight, weight));
    ASSERT_EQ(EffectiveLimit(kHost, LimitKind::kCpuWeight, weight).value_or(kDefaultCpuWeight), weight);
  }
}

TEST(LimitFromText, ReadsWeightsOfDisks) {
  const LimitKind kind = LimitKind::kIoWeight;
  EXPECT_EQ(*FromText(kind, true, "default 300\n8:0 50\n"), 300u);
  EXPECT_EQ(*FromText(kind, true, "default 100\n"), std::nullopt);
  EXPECT_EQ(*ToText(kind, true, 300), "300");
  EXPECT_EQ(*LimitToText(kind, BfqWeightFile(true), 10'000), "1000");
  EXPECT_EQ(*LimitToText(kind, BfqWeightFile(true), std::nullopt), "100");
  EXPECT_EQ(*LimitFromText(kind, BfqWeightFile(false), "1000\n"), 10'000u);
}

TEST(FileNameOf, NamesHugePagesAsTheKernelDoes) {
  const LimitFile file = LimitFileOf(LimitKind::kHugetlbMax, true);
  EXPECT_EQ(FileNameOf(file, {LimitKind::kHugetlbMax, uint64_t{2} << 20U}), "hugetlb.2MB.max");
  EXPECT_EQ(FileNameOf(file, {LimitKind::kHugetlbMax, uint64_t{1} << 30U}), "hugetlb.1GB.max");
  EXPECT_EQ(FileNameOf(file, {LimitKind::kHugetlbMax, uint64_t{64} << 10U}), "hugetlb.64KB.max");
  const LimitId id{LimitKind::kHugetlbMax, uint64_t{2} << 20U};
  EXPECT_EQ(*LimitFromText(id, LimitFileOf(LimitKind::kHugetlbMax, false), "9223372036852678656\n"), std::nullopt);
}

}  // namespace
}  // namespace bulkhead
