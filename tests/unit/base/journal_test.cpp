#include "agent/base/journal.h"

#include <sys/stat.h>

#include <cstdlib>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace bulkhead {
namespace {

using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Pair;

TEST(ToJournal, MakesAFieldOfEveryField) {
  EXPECT_THAT(ToJournal(3, "usage not recorded", "usage not recorded took_ms=5 why=\"disk full\"",
                        {{"took_ms", "5"}, {"why", "disk full"}}),
              ElementsAre(Pair("MESSAGE", "usage not recorded took_ms=5 why=\"disk full\""), Pair("PRIORITY", "3"),
                          Pair("BULKHEAD_WHAT", "usage not recorded"), Pair("BULKHEAD_TOOK_MS", "5"),
                          Pair("BULKHEAD_WHY", "disk full")));
}

TEST(ToJournal, NamesTheTenantOfTasksAndObjects) {
  EXPECT_THAT(ToJournal(6, "x", "x", {{"task", "acme/web"}}),
              IsSupersetOf({Pair("BULKHEAD_TASK", "acme/web"), Pair("BULKHEAD_TENANT", "acme")}));
  EXPECT_THAT(ToJournal(6, "x", "x", {{"object", "acme"}}), IsSupersetOf({Pair("BULKHEAD_TENANT", "acme")}));
  EXPECT_EQ(ToJournal(6, "x", "x", {{"object", "node"}}).size(), 4U) << "the node is no tenant";
}

TEST(ToJournal, NamesAreThoseThatTheJournalTakes) {
  EXPECT_EQ(ToJournal(6, "x", "x", {{"a.b-ü", ""}}).back().first, "BULKHEAD_A_B___");
  EXPECT_EQ(ToJournal(6, "x", "x", {{std::string(99, 'a'), ""}}).back().first.size(), 64U);
}

TEST(StderrIsJournal, OnlyWhereTheVariableNamesThisVeryFile) {
  struct stat info {};
  ASSERT_EQ(::fstat(2, &info), 0);
  ::unsetenv("JOURNAL_STREAM");
  EXPECT_FALSE(StderrIsJournal());
  ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", info.st_dev, info.st_ino).c_str(), 1);
  EXPECT_TRUE(StderrIsJournal());
  ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", info.st_dev, info.st_ino + 1).c_str(), 1);  // inherited
  EXPECT_FALSE(StderrIsJournal());
  ::unsetenv("JOURNAL_STREAM");
}

}  // namespace
}  // namespace bulkhead
