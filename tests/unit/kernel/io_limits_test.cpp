#include "agent/kernel/io_limits.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "agent/kernel/io_scheduler.h"
#include "tests/support/temp_dir.h"

namespace bulkhead::test {
namespace {

const LimitId kRead{LimitKind::kIoReadBps, OfDisk({254, 16})};
const LimitId kWrite{LimitKind::kIoWriteIops, OfDisk({8, 0})};

TEST(IoToText, IsOneDiskAndOneValue) {
  EXPECT_EQ(IoToText(kRead, 5, true), "254:16 rbps=5");
  EXPECT_EQ(IoToText(kWrite, std::nullopt, true), "8:0 wiops=max");
  EXPECT_EQ(IoToText(kRead, 5, false), "254:16 5");
  EXPECT_EQ(IoToText(kRead, std::nullopt, false), "254:16 0");
}

TEST(IoFromText, ReadsEveryDisk) {
  Limits limits;
  ASSERT_TRUE(IoFromText("254:16 rbps=5 wbps=max riops=max wiops=max\n8:0 rbps=max wbps=max riops=max wiops=6\n", true,
                         LimitKind::kIoReadBps, limits)
                  .ok());
  EXPECT_EQ(limits, (Limits{{kRead, 5}, {kWrite, 6}}));
  Limits v1;
  ASSERT_TRUE(IoFromText("254:16 5\n8:0 0\n", false, LimitKind::kIoReadBps, v1).ok());
  EXPECT_EQ(v1, (Limits{{kRead, 5}}));
  ASSERT_TRUE(IoFromText("", true, LimitKind::kIoReadBps, v1).ok());
}

TEST(IoFromText, SaysWhenItUnderstandsNothing) {
  for (const char* text : {"8:0 rbps", "8 rbps=1", "8:x rbps=1", "8:0 rbps=many", ":0 rbps=1"}) {
    Limits limits;
    EXPECT_FALSE(IoFromText(text, true, LimitKind::kIoReadBps, limits).ok()) << text;
  }
}

TEST(FindIoWeightWays, LooksAtEveryDisksScheduler) {
  const TempDir root;
  const std::filesystem::path block = root / "block";
  for (const char* disk : {"sda", "sdb"}) std::filesystem::create_directories(block / disk / "queue");
  std::ofstream(block / "sda/queue/scheduler") << "[none] mq-deadline bfq\n";
  IoWeightWays ways = FindIoWeightWays(block, root / "io.cost.qos");
  EXPECT_FALSE(ways.bfq || ways.io_cost);
  std::ofstream(block / "sdb/queue/scheduler") << "none mq-deadline [bfq]\n";
  std::ofstream(root / "io.cost.qos") << "8:0 enable=0 ctrl=auto\n8:16 enable=1 ctrl=auto\n";
  ways = FindIoWeightWays(block, root / "io.cost.qos");
  EXPECT_TRUE(ways.bfq && ways.io_cost);
}

}  // namespace
}  // namespace bulkhead::test
