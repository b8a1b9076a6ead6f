#include "agent/manifest/quantity.h"

#include <random>

#include <gmock/gmock.h>

namespace bulkhead {
namespace {

using std::chrono::nanoseconds;

template <typename T>
std::string ErrorOf(const Result<T>& result) {
  return result.ok() ? "(accepted)" : Message(result.status());
}

TEST(ParseBytes, UnitsAndFractions) {
  EXPECT_EQ(*ParseBytes("0"), 0U);
  EXPECT_EQ(*ParseBytes("4096"), 4096U);
  EXPECT_EQ(*ParseBytes("512MiB"), 512U << 20);
  EXPECT_EQ(*ParseBytes("4GiB"), uint64_t{4} << 30);
  EXPECT_EQ(*ParseBytes("10MB"), 10'000'000U);
  EXPECT_EQ(*ParseBytes("1.5GiB"), uint64_t{3} << 29);
  EXPECT_EQ(*ParseBytes("1B"), 1U);
  EXPECT_EQ(*ParseBytes("1kB"), 1000U);
  EXPECT_EQ(*ParseBytes("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(*ParseBytes("15EiB"), uint64_t{15} << 60);
}

TEST(ParseBytes, AbsurdQuantitiesSayWhatIsWrong) {
  for (const char* text : {"12XB", "", "MiB", "1 MiB", "1M", "1mib", "1e3", "0x10", "1.MiB", ".5GiB", "+1", "1_000",
                           "nan", "inf", "1MiB ", "1.5.5MiB", "1,5GiB", "0.0000000000000000001GiB"})
    EXPECT_EQ(ErrorOf(ParseBytes(text)),
              std::string("\"") + text + "\" is not a byte quantity: use 512MiB, 4GiB, 10MB");
  EXPECT_EQ(ErrorOf(ParseBytes("-1MiB")), "\"-1MiB\" is negative: use 512MiB, 4GiB, 10MB");
  EXPECT_EQ(ErrorOf(ParseBytes("0.3B")), "\"0.3B\" is not a whole number of bytes");
  EXPECT_EQ(ErrorOf(ParseBytes("1.5")), "\"1.5\" is not a whole number of bytes");
  EXPECT_EQ(ErrorOf(ParseBytes("16EiB")), "\"16EiB\" is too large: use less than 16EiB");
  EXPECT_EQ(ErrorOf(ParseBytes("18446744073709551616")), "\"18446744073709551616\" is too large: use less than 16EiB");
  EXPECT_EQ(ErrorOf(ParseBytes("99999999999999999999999999EiB")),
            "\"99999999999999999999999999EiB\" is too large: use less than 16EiB");
}

TEST(FormatBytes, PicksTheLargestUnitThatComesOutEven) {
  EXPECT_EQ(FormatBytes(0), "0");
  EXPECT_EQ(FormatBytes(1000), "1000");
  EXPECT_EQ(FormatBytes(1024), "1KiB");
  EXPECT_EQ(FormatBytes(268435456), "256MiB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "18446744073709551615");
}

TEST(FormatBytes, EveryValueComesBack) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t bytes = (random() >> (random() % 64)) << (random() % 64);
    ASSERT_EQ(*ParseBytes(FormatBytes(bytes)), bytes);
  }
}

TEST(ParseCpus, NumbersAndThousandths) {
  EXPECT_EQ(*ParseCpus("2"), 2);
  EXPECT_EQ(*ParseCpus("0.5"), 0.5);
  EXPECT_EQ(*ParseCpus("500m"), 0.5);
  EXPECT_EQ(*ParseCpus("1.5"), 1.5);
}

TEST(ParseCpus, AnythingElseIsRefused) {
  for (const char* text : {"nan", "inf", "", "m", "1e3", "0x1", "2 CPUs", "half", ".5", "1u", "+1"})
    EXPECT_EQ(ErrorOf(ParseCpus(text)), std::string("\"") + text + "\" is not a number of CPUs: use 2, 0.5 or 500m");
  EXPECT_EQ(ErrorOf(ParseCpus("-1")), "\"-1\" is negative: use 2, 0.5 or 500m");
  EXPECT_THAT(ErrorOf(ParseCpus(std::string(400, '9'))), testing::EndsWith("\"… is too large for a number of CPUs"));
}

TEST(FormatCpus, EveryValueComesBack) {
  EXPECT_EQ(FormatCpus(0.5), "500m");
  EXPECT_EQ(FormatCpus(4), "4");
  EXPECT_EQ(FormatCpus(0.33333), "0.33333");
  std::mt19937_64 random(2);
  for (int i = 0; i < 10'000; ++i) {
    const double cpus = static_cast<double>(random() >> (random() % 64)) / static_cast<double>(1 + random() % 100'000);
    ASSERT_EQ(*ParseCpus(FormatCpus(cpus)), cpus) << FormatCpus(cpus);
  }
}

TEST(ParseDuration, UnitsSumsAndSeconds) {
  EXPECT_EQ(*ParseDuration("10ms"), nanoseconds(10'000'000));
  EXPECT_EQ(*ParseDuration("5s"), nanoseconds(5'000'000'000));
  EXPECT_EQ(*ParseDuration("5"), nanoseconds(5'000'000'000));
  EXPECT_EQ(*ParseDuration("0"), nanoseconds(0));
  EXPECT_EQ(*ParseDuration("1.5s"), nanoseconds(1'500'000'000));
  EXPECT_EQ(*ParseDuration("1h30m"), std::chrono::minutes(90));
  EXPECT_EQ(*ParseDuration("7ns"), nanoseconds(7));
  EXPECT_EQ(*ParseDuration("2us"), nanoseconds(2000));
}

TEST(ParseDuration, AnythingElseIsRefused) {
  for (const char* text : {"", "s", "5 s", "5sec", "1h30", "1d", "1s-1s", "1e3s", "infs", "5s "})
    EXPECT_EQ(ErrorOf(ParseDuration(text)), std::string("\"") + text + "\" is not a duration: use 10ms, 5s, 1h30m");
  EXPECT_EQ(ErrorOf(ParseDuration("-5s")), "\"-5s\" is negative: use 10ms, 5s, 1h30m");
  EXPECT_EQ(ErrorOf(ParseDuration("0.5ns")), "\"0.5ns\" is finer than a nanosecond");
  EXPECT_EQ(ErrorOf(ParseDuration("876001h")), "\"876001h\" is too long: use 100 years at most");
  EXPECT_EQ(ErrorOf(ParseDuration("99999999999999999999s")),
            "\"99999999999999999999s\" is too long: use 100 years at most");
}

TEST(FormatDuration, EveryValueComesBack) {
  EXPECT_EQ(FormatDuration(std::chrono::milliseconds(1500)), "1500ms");
  EXPECT_EQ(FormatDuration(std::chrono::hours(2)), "2h");
  EXPECT_EQ(FormatDuration(nanoseconds(0)), "0s");
  std::mt19937_64 random(3);
  for (int i = 0; i < 10'000; ++i) {
    const nanoseconds duration(static_cast<int64_t>(random() % 3'000'000'000'000'000'000 >> (random() % 60)));
    ASSERT_EQ(*ParseDuration(FormatDuration(duration)), duration);
  }
}

}  // namespace
}  // namespace bulkhead
