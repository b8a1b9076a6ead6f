#include "agent/model/limits.h"

#include <gmock/gmock.h>

namespace bulkhead {
namespace {

using ::testing::HasSubstr;

TEST(ValidateLimits, AcceptsTheEdges) {
  Limits low{.cpu_max_usec = 1000, .cpu_weight = 1, .memory_max_bytes = 4096, .pids_max = 1};
  Limits high{
      .cpu_max_usec = 1'000'000'000, .cpu_weight = 10'000, .memory_max_bytes = 1ULL << 60, .pids_max = 4'194'304};
  EXPECT_TRUE(ValidateLimits(low, "limits").ok());
  EXPECT_TRUE(ValidateLimits(high, "limits").ok());
  EXPECT_TRUE(ValidateLimits(Limits{}, "limits").ok());
}

TEST(ValidateLimits, NamesTheFieldThatIsOutOfRange) {
  const Limits bad[] = {{.cpu_max_usec = 999},  {.cpu_weight = 0},       {.memory_max_bytes = 0},    {.pids_max = 0},
                        {.cpu_weight = 10'001}, {.pids_max = 4'194'305}, {.memory_max_bytes = ~0ULL}};
  const char* fields[] = {"limits.cpu.max",    "limits.cpu.weight", "limits.memory.max", "limits.pids.max",
                          "limits.cpu.weight", "limits.pids.max",   "limits.memory.max"};
  for (size_t i = 0; i < std::size(bad); ++i)
    EXPECT_THAT(Message(ValidateLimits(bad[i], "limits")), HasSubstr(fields[i]));
}

}  // namespace
}  // namespace bulkhead
