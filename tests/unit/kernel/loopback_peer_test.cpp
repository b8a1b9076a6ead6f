#include "agent/kernel/loopback_peer.h"

#include <sys/stat.h>

#include <filesystem>

#include <gmock/gmock.h>

#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace bulkhead::test {
namespace {

using ::testing::HasSubstr;

// Plain folders: an inode is an inode.
class CheckOutsideTest : public ::testing::Test {
 protected:
  uint64_t Make(const std::string& path) {
    std::filesystem::create_directories(directory_ / path);
    struct stat info {};
    EXPECT_EQ(::stat((directory_ / path).c_str(), &info), 0);
    return info.st_ino;
  }
  Status Check(uint64_t cgroup) { return CheckOutside(cgroup, directory_ / "", directory_ / "bulkhead"); }
  TempDir directory_;
};

TEST_F(CheckOutsideTest, WhatIsBesideTheTenantsPasses) {
  const uint64_t service = Make("system.slice/prometheus.service");
  Make("bulkhead/acme/web");
  EXPECT_THAT(Check(service), IsOk());
  EXPECT_THAT(Check(Make("bulkhead-other/x")), IsOk()) << "a name that only begins alike";
  EXPECT_THAT(Check(Make(".")), IsOk()) << "the top itself";
}

TEST_F(CheckOutsideTest, TenantsAndWhatTheyMakeInsideDoNot) {
  for (const char* path : {"bulkhead", "bulkhead/acme", "bulkhead/acme/web", "bulkhead/acme/web/inner"})
    EXPECT_THAT(Check(Make(path)), StatusIs(StatusCode::kPermissionDenied, HasSubstr("tenant"))) << path;
}

TEST_F(CheckOutsideTest, WhatIsNotFoundDoesNot) {
  const uint64_t gone = Make("gone");
  std::filesystem::remove(directory_ / "gone");
  Make("bulkhead");
  EXPECT_THAT(Check(gone), StatusIs(StatusCode::kPermissionDenied, HasSubstr("none that can be seen")));
}

}  // namespace
}  // namespace bulkhead::test
