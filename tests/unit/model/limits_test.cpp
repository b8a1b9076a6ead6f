#include "agent/model/limits.h"

#include <gmock/gmock.h>

#include "agent/model/limit_spec.h"
#include "tests/support/builders.h"

namespace bulkhead::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using enum LimitKind;

TEST(Limits, AreAValuePerLimitInWhateverOrder) {
  Limits one{{kPidsMax, 7}, {kCpuMax, 5}};
  EXPECT_EQ(one, (Limits{{kCpuMax, 5}, {kPidsMax, 7}}));
  EXPECT_EQ(one.Number(kPidsMax), 7U);
  EXPECT_EQ(one.Get(kMemoryMax), std::nullopt);
  one.Set(kPidsMax, 8);
  one.Set(kCpuMax, std::nullopt);
  one.Set(kCpuWeight, std::nullopt);
  EXPECT_EQ(one, (Limits{{kPidsMax, 8}}));
  EXPECT_FALSE(one.Has(kCpuMax));
}

TEST(Limits, ReadAsTheKernelPutsThem) {
  EXPECT_EQ(ToString(kMemoryMax, 4096), "4096");
  EXPECT_EQ(ToString(kMemoryMax, std::nullopt), "max");
  EXPECT_EQ(ToString(kCpuWeight, std::nullopt), "100");
  EXPECT_EQ(ToString(kMemoryLow, std::nullopt), "0");
  EXPECT_EQ(ToString(kCpuCpus, LimitValue(Set("0-2"))), "0-2");
  EXPECT_EQ(ToString(kCpuCpus, std::nullopt), "all");
}

TEST(ChangeOf, KnowsWhichWayIsWider) {
  const std::optional<LimitValue> none;
  EXPECT_EQ(ChangeOf(kMemoryMax, 5, 5), Change::kNone);
  EXPECT_EQ(ChangeOf(kMemoryMax, 5, 6), Change::kWider);
  EXPECT_EQ(ChangeOf(kMemoryMax, 5, none), Change::kWider);
  EXPECT_EQ(ChangeOf(kMemoryMax, none, 5), Change::kNarrower);
  EXPECT_EQ(ChangeOf(kCpuBurst, none, 5), Change::kWider) << "no burst is none";
  EXPECT_EQ(ChangeOf(kMemoryMin, 5, none), Change::kNarrower);
  EXPECT_EQ(ChangeOf(kCpuIdle, none, 1), Change::kNarrower);
  EXPECT_EQ(ChangeOf(kCpuIdle, 1, none), Change::kWider);
  EXPECT_EQ(ChangeOf(kCpuWeight, 5, 6), Change::kOther);
  EXPECT_EQ(ChangeOf(kCpuCpus, LimitValue(Set("0")), LimitValue(Set("0-1"))), Change::kWider);
  EXPECT_EQ(ChangeOf(kCpuCpus, LimitValue(Set("0")), LimitValue(Set("1"))), Change::kOther);
  EXPECT_EQ(ChangeOf(kCpuCpus, none, LimitValue(Set("1"))), Change::kNarrower);
}

TEST(ValidateLimits, AcceptsTheEdges) {
  const Limits low{{kCpuMax, 1000},     {kCpuBurst, 0}, {kCpuWeight, 1}, {kMemoryMax, 4097},
                   {kMemoryHigh, 4096}, {kSwapMax, 0},  {kPidsMax, 1},   {kCpuCpus, Set("0")}};
  const Limits high{
      {kCpuMax, 1'000'000'000}, {kCpuBurst, 1'000'000'000}, {kCpuWeight, 10'000},  {kMemoryMax, 1ULL << 60},
      {kMemoryLow, 1ULL << 60}, {kMemoryMin, 1ULL << 60},   {kPidsMax, 4'194'304}, {kOomGroup, 1},
      {kCpuCpus, Set("0-8191")}};
  EXPECT_TRUE(ValidateLimits(low, "limits").ok());
  EXPECT_TRUE(ValidateLimits(high, "limits").ok());
  EXPECT_TRUE(ValidateLimits(Limits{}, "limits").ok());
  EXPECT_TRUE(ValidateLimits({{kCpuIdle, 1}}, "limits").ok());
}

TEST(ValidateLimits, NamesTheFieldThatIsOutOfRange) {
  const std::pair<Limits, const char*> bad[] = {{{{kCpuMax, 999}}, "limits.cpu.max"},
                                                {{{kCpuWeight, 0}}, "limits.cpu.weight"},
                                                {{{kMemoryMax, 0}}, "limits.memory.max"},
                                                {{{kPidsMax, 0}}, "limits.pids.max"},
                                                {{{kCpuWeight, 10'001}}, "limits.cpu.weight"},
                                                {{{kPidsMax, 4'194'305}}, "limits.pids.max"},
                                                {{{kMemoryMax, ~0ULL}}, "limits.memory.max"},
                                                {{{kMemoryHigh, 1}}, "limits.memory.high"},
                                                {{{kSwapMax, ~0ULL}}, "limits.memory.swap_max"},
                                                {{{kCpuCpus, IndexSet()}}, "limits.cpu.cpus"},
                                                {{{kCpuIdle, 2}}, "limits.cpu.idle"}};
  for (const auto& [limits, field] : bad)
    EXPECT_THAT(Message(ValidateLimits(limits, "limits")), HasSubstr(std::string(field) + ": out of range"));
}

TEST(ValidateLimits, NamesWhatCannotStandTogether) {
  const std::tuple<Limits, const char*, const char*> bad[] = {
      {{{kCpuMax, 1000}, {kCpuBurst, 1001}}, "limits.cpu.burst", "at most cpu.max (1000)"},
      {{{kCpuBurst, 1}}, "limits.cpu.burst", "needs cpu.max"},
      {{{kMemoryMax, 8192}, {kMemoryHigh, 8192}}, "limits.memory.high", "below memory.max (8192)"},
      {{{kMemoryMax, 8192}, {kMemoryLow, 8193}}, "limits.memory.low", "at most memory.max (8192)"},
      {{{kMemoryMax, 8192}, {kMemoryMin, 8193}}, "limits.memory.min", "at most memory.max (8192)"},
      {{{kCpuIdle, 1}, {kCpuWeight, 100}}, "limits.cpu.weight", "idle"}};
  for (const auto& [limits, field, why] : bad)
    EXPECT_THAT(Message(ValidateLimits(limits, "limits")), AllOf(HasSubstr(field), HasSubstr(why)));
}

TEST(LimitSpec, RequiresByNameAndByGroup) {
  const LimitSpec spec{.values = {}, .require = {"memory.high", "cpu"}};
  EXPECT_TRUE(spec.Requires(kMemoryHigh));
  EXPECT_FALSE(spec.Requires(kMemoryMax));
  EXPECT_TRUE(spec.Requires(kCpuBurst));
  EXPECT_TRUE(ValidateLimitSpec(spec, "limits").ok());
  EXPECT_THAT(Message(ValidateLimitSpec({.values = {}, .require = {"memory.hihg"}}, "limits")),
              AllOf(HasSubstr("limits.require: \"memory.hihg\" is not a limit"), HasSubstr("memory.high")));
}

}  // namespace
}  // namespace bulkhead::test
