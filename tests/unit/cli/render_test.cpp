#include "agent/cli/render.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/cli/limit_text.h"

namespace bulkhead::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Wrap, BreaksBetweenWordsAndIndents) {
  EXPECT_EQ(Wrap("one two three", 2, 9), "one two\n  three");
  EXPECT_EQ(Wrap("one", 2, 9), "one");
  EXPECT_EQ(Wrap("", 2, 9), "");
  EXPECT_EQ(Wrap("a muchtoolongword b", 2, 9), "a\n  muchtoolongword\n  b");
  EXPECT_EQ(Wrap("äöü äöü", 0, 7), "äöü äöü") << "characters, not bytes";
}

TEST(Units, AreForPeople) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(512ULL << 20U), "512 MiB");
  EXPECT_EQ(Bytes(3ULL << 29U), "1.5 GiB");
  EXPECT_EQ(Bytes(UINT64_MAX), "16 EiB");
  EXPECT_EQ(Cpus(0.5), "0.5 CPU");
  EXPECT_EQ(Cpus(2), "2 CPU");
  EXPECT_EQ(CpuTime(1'250'000'000), "1.25 s");
  EXPECT_EQ(CpuTime(200'000'000'000), "3m 20s");
  EXPECT_EQ(Seconds(7500), "2h 05m");
  EXPECT_EQ(Seconds(360'000), "4d 4h");
  EXPECT_EQ(Count(950), "950");
  EXPECT_EQ(Count(12'300), "12.3k");
}

TEST(LimitLines, NameEveryLimitThatIsSet) {
  v1::Limits limits;
  limits.mutable_cpu()->set_max(0.5);
  limits.mutable_cpu()->mutable_burst()->set_nanos(20'000'000);
  limits.mutable_cpu()->set_idle(true);
  limits.mutable_cpu()->set_cpus("0-1");
  limits.mutable_memory()->set_swap_max(0);
  limits.mutable_pids()->set_max(64);
  limits.add_require("cpu");
  limits.set_io_weight(50);
  v1::IoLimits& io = *limits.add_io();
  io.set_disk("254:0");
  io.set_read_bps(1U << 20U);
  io.set_write_iops(7);
  limits.add_hugetlb()->set_page_size(2U << 20U);
  limits.mutable_hugetlb(0)->set_max(4U << 20U);
  const std::vector<std::pair<std::string, std::string>> lines = {{"cpu.max", "0.5 CPU"},
                                                                  {"cpu.burst", "20ms"},
                                                                  {"cpu.idle", "yes"},
                                                                  {"cpu.cpus", "0-1"},
                                                                  {"memory.swap_max", "0 B"},
                                                                  {"pids.max", "64"},
                                                                  {"io_weight", "50"},
                                                                  {"io.read_bps", "1 MiB/s on 254:0"},
                                                                  {"io.write_iops", "7 op/s on 254:0"},
                                                                  {"hugetlb.max", "4 MiB in pages of 2 MiB"}};
  EXPECT_EQ(LimitLines(limits), lines);
}

TEST(Table, FitsItsWidthByCuttingWhatMayShrink) {
  Table table({{"NAME", false, true}, {"SIZE", true}, {"WHY", false, true}});
  table.Add({std::string(90, 'n'), "12 MiB", std::string(90, 'w')});
  std::istringstream lines(table.ToString(Table::kWidth, false));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), Table::kWidth + 4) << line;  // two cut marks of three bytes
    EXPECT_THAT(line, ::testing::AnyOf(HasSubstr("NAME"), HasSubstr("12 MiB")));
  }
  EXPECT_THAT(table.ToString(0, false), HasSubstr(std::string(90, 'w')));
}

TEST(Table, ColoursOnlyWhenAsked) {
  Table table({{"WALLS"}});
  table.Add({EnforcementCell(v1::ENFORCEMENT_DEGRADED)});
  EXPECT_THAT(table.ToString(100, false), Not(HasSubstr("\x1b")));
  EXPECT_THAT(table.ToString(100, true), HasSubstr("\x1b[33mdegraded\x1b[0m"));
}

}  // namespace
}  // namespace bulkhead::cli
