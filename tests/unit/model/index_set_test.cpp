#include "agent/model/index_set.h"

#include <gtest/gtest.h>

namespace bulkhead {
namespace {

IndexSet Set(const std::string& text) { return *IndexSet::Parse(text); }

TEST(IndexSet, ReadsAndWritesAsTheKernelDoes) {
  const std::pair<const char*, const char*> texts[] = {
      {"", ""},     {"0", "0"},         {"0-3,7", "0-3,7"},       {"3,1,2", "1-3"},
      {"0-0", "0"}, {"63,64", "63-64"}, {"0-1,2-3,10", "0-3,10"}, {"8191", "8191"},
  };
  for (const auto& [text, canonical] : texts) EXPECT_EQ(Set(text).ToString(), canonical);
}

TEST(IndexSet, RefusesWhatIsNoList) {
  for (const char* text : {"a", "-1", "1-", "3-1", "1,", ",1", "1,,2", "0-8192", "1 2", "99999999999", "0x1", "1-2-3"})
    EXPECT_FALSE(IndexSet::Parse(text).ok()) << text;
}

TEST(IndexSet, EqualSetsAreEqualHoweverTheyCameAbout) {
  EXPECT_EQ(Set("0-2"), Set("2,0,1"));
  EXPECT_EQ(Set("0-200").Intersection(Set("0-1")), Set("0-1"));
  EXPECT_TRUE(Set("100").Intersection(Set("1")).empty());
  EXPECT_EQ(Set("1").Union(Set("100")), Set("1,100"));
}

TEST(IndexSet, ContainsIsSubset) {
  EXPECT_TRUE(Set("0-3").Contains(Set("1,3")));
  EXPECT_TRUE(Set("0-3").Contains(Set("")));
  EXPECT_FALSE(Set("0-3").Contains(Set("3-4")));
  EXPECT_FALSE(Set("0").Contains(Set("0,64")));
}

}  // namespace
}  // namespace bulkhead
