#include "agent/kernel/cgroup_files.h"

#include <gtest/gtest.h>

namespace bulkhead {
namespace {

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
