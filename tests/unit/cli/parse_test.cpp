#include "agent/cli/parse.h"

#include <gtest/gtest.h>

namespace bulkhead::cli {
namespace {

TEST(ParseDuration, TakesOneUnit) {
  EXPECT_EQ(*ParseDuration("90s"), std::chrono::seconds(90));
  EXPECT_EQ(*ParseDuration("15m"), std::chrono::minutes(15));
  EXPECT_EQ(*ParseDuration("1h"), std::chrono::hours(1));
  EXPECT_EQ(*ParseDuration("7d"), std::chrono::hours(168));
  for (const char* bad : {"", "s", "1", "-1h", "1w", "1h30m", "99999999999999999999h", "40000d"})
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
}

TEST(ParseSetting, SplitsAtTheFirstEquals) {
  const auto setting = ParseSetting("labels.app=a=b");
  ASSERT_TRUE(setting.ok());
  EXPECT_EQ(setting->field, "labels.app");
  EXPECT_EQ(setting->value, "a=b");
  EXPECT_FALSE(ParseSetting("limits.memory.max").ok());
  EXPECT_FALSE(ParseSetting("=1").ok());
}

}  // namespace
}  // namespace bulkhead::cli
