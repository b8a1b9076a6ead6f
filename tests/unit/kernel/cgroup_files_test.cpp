#include "agent/kernel/cgroup_files.h"

#include <cerrno>

#include <gmock/gmock.h>

#include "tests/support/matchers.h"

namespace bulkhead {
namespace {

using ::bulkhead::test::IsOk;

constexpr uint64_t kPage = 4096;

TEST(LimitToText, SpellsValuesAsEachVersionWantsThem) {
  const struct {
    LimitKind kind;
    std::optional<uint64_t> value;
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
               {LimitKind::kPidsMax, 64, "64", "64"},
               {LimitKind::kPidsMax, std::nullopt, "max", "max"}};
  for (const auto& [kind, value, v2, v1] : cases) {
    EXPECT_EQ(*LimitToText(kind, true, value), v2);
    EXPECT_EQ(*LimitToText(kind, false, value), v1);
  }
}

TEST(LimitToText, RefusesWeightsThatV1WouldClampInSilence) {
  for (const uint64_t weight : {uint64_t{0}, uint64_t{10'001}, ~uint64_t{0}}) {
    EXPECT_EQ(ErrnoOf(LimitToText(LimitKind::kCpuWeight, false, weight).status()), ERANGE);
    EXPECT_EQ(ErrnoOf(LimitToText(LimitKind::kCpuWeight, true, weight).status()), ERANGE);
  }
}

TEST(LimitFromText, ReadsWhatTheKernelShows) {
  EXPECT_EQ(*LimitFromText(LimitKind::kCpuMax, true, "50000 100000\n"), 50'000u);
  EXPECT_EQ(*LimitFromText(LimitKind::kCpuMax, true, "max 100000\n"), std::nullopt);
  EXPECT_EQ(*LimitFromText(LimitKind::kCpuMax, true, "5000 10000\n"), 50'000u);  // another period, the same share
  EXPECT_EQ(*LimitFromText(LimitKind::kCpuMax, false, "50000\n", 200'000), 25'000u);
  EXPECT_EQ(*LimitFromText(LimitKind::kCpuMax, false, "-1\n", 100'000), std::nullopt);
  EXPECT_EQ(*LimitFromText(LimitKind::kCpuWeight, true, "100\n"), std::nullopt);
  EXPECT_EQ(*LimitFromText(LimitKind::kCpuWeight, false, "1024\n"), std::nullopt);
  EXPECT_EQ(*LimitFromText(LimitKind::kCpuWeight, false, "2048\n"), 200u);
  EXPECT_EQ(*LimitFromText(LimitKind::kMemoryMax, true, "max\n"), std::nullopt);
  EXPECT_EQ(*LimitFromText(LimitKind::kMemoryMax, false, "9223372036854771712\n"), std::nullopt);  // 4 KiB pages
  EXPECT_EQ(*LimitFromText(LimitKind::kMemoryMax, false, "9223372036854710272\n"), std::nullopt);  // 64 KiB pages
  EXPECT_EQ(*LimitFromText(LimitKind::kMemoryMax, false, "4096\n"), 4096u);
  EXPECT_EQ(*LimitFromText(LimitKind::kPidsMax, false, "max\n"), std::nullopt);
  EXPECT_EQ(*LimitFromText(LimitKind::kPidsMax, true, "64\n"), 64u);
}

TEST(LimitFromText, SaysWhenItUnderstandsNothing) {
  for (const char* text : {"", "\n", "12x\n", "-5\n", "99999999999999999999\n", "1 2 3\n", "5 0\n"}) {
    EXPECT_FALSE(LimitFromText(LimitKind::kCpuMax, true, text).ok()) << text;
    EXPECT_FALSE(LimitFromText(LimitKind::kPidsMax, true, text).ok()) << text;
  }
  EXPECT_FALSE(LimitFromText(LimitKind::kCpuMax, false, "5000\n").ok());  // no period
}

TEST(EffectiveLimit, EveryWeightSurvivesTheWayThroughShares) {
  for (uint64_t weight = 1; weight <= 10'000; ++weight) {
    auto text = LimitToText(LimitKind::kCpuWeight, false, weight);
    ASSERT_THAT(text, IsOk());
    ASSERT_EQ(*LimitFromText(LimitKind::kCpuWeight, false, *text),
              EffectiveLimit(LimitKind::kCpuWeight, weight, kPage));
    ASSERT_EQ(EffectiveLimit(LimitKind::kCpuWeight, weight, kPage).value_or(kDefaultCpuWeight), weight);
  }
}

TEST(EffectiveLimit, BytesAreWholePages) {
  EXPECT_EQ(EffectiveLimit(LimitKind::kMemoryMax, 50'000'000, kPage), 49'999'872u);
  EXPECT_EQ(EffectiveLimit(LimitKind::kMemoryMax, 4095, kPage), 0u);
  EXPECT_EQ(EffectiveLimit(LimitKind::kMemoryMax, 65'536 + 4096, 65'536), 65'536u);
  EXPECT_EQ(EffectiveLimit(LimitKind::kMemoryMax, ~uint64_t{0}, kPage), std::nullopt);
  EXPECT_EQ(EffectiveLimit(LimitKind::kPidsMax, 4095, kPage), 4095u);
}

TEST(StatField, FindsTheLineOfTheKeyOnly) {
  const char* text = "usage_usec 12\nuser_usec 7\noom_kill 3\noom 9\nbad x\nempty \nlast 5";
  EXPECT_EQ(StatField(text, "usage_usec"), 12u);
  EXPECT_EQ(StatField(text, "oom"), 9u);
  EXPECT_EQ(StatField(text, "oom_kill"), 3u);
  EXPECT_EQ(StatField(text, "last"), 5u);
  for (const char* key : {"usec", "usage", "bad", "empty", "missing", ""})
    EXPECT_EQ(StatField(text, key), std::nullopt);
  EXPECT_EQ(StatField("", "x"), std::nullopt);
}

}  // namespace
}  // namespace bulkhead
