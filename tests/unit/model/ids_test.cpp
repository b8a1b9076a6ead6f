#include "agent/model/ids.h"

#include <gmock/gmock.h>

namespace bulkhead {
namespace {

using ::testing::HasSubstr;

TEST(ValidateName, AcceptsDnsLabels) {
  for (const char* name : {"a", "0", "web-1", "a--b"}) EXPECT_TRUE(ValidateName(name, "name").ok()) << name;
  EXPECT_TRUE(ValidateName(std::string(63, 'x'), "name").ok());
}

TEST(ValidateName, RefusesWhatCouldLeaveTheTree) {
  for (const char* name : {"", ".", "..", "a/b", "../x", "-a", "a-", "A", "a.b", "a b", "a\n", "ä", "cgroup.procs"})
    EXPECT_FALSE(ValidateName(name, "name").ok()) << name;
  EXPECT_FALSE(ValidateName(std::string(64, 'x'), "name").ok());
  EXPECT_FALSE(ValidateName(std::string("a\0b", 3), "name").ok());
}

TEST(ValidateName, NamesTheField) {
  EXPECT_THAT(Message(ValidateName("..", "metadata.tenant")), HasSubstr("metadata.tenant: \"..\""));
}

TEST(ParseTaskId, NeedsExactlyTwoNames) {
  EXPECT_EQ(ParseTaskId("acme/web-1")->ToString(), "acme/web-1");
  for (const char* text : {"acme", "acme/", "/web", "a/b/c", "a/..", ""}) EXPECT_FALSE(ParseTaskId(text).ok()) << text;
}

}  // namespace
}  // namespace bulkhead
