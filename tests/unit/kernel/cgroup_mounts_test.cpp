#include "agent/kernel/cgroup_mounts.h"

#include <gmock/gmock.h>

#include "agent/kernel/libcgroup_tree.h"
#include "tests/support/matchers.h"

namespace bulkhead {
namespace {

using ::bulkhead::test::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ParseCgroupMounts, AUnifiedHostHasOneMount) {
  const auto mounts = ParseCgroupMounts(
      "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
      "30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  ASSERT_THAT(mounts, SizeIs(1));
  EXPECT_TRUE(mounts[0].v2);
  EXPECT_EQ(mounts[0].mount_point, "/sys/fs/cgroup");
  EXPECT_EQ(mounts[0].mount_root, "/");
}

TEST(ParseCgroupMounts, AHybridHostNamesTheControllersOfEachV1Mount) {
  const auto mounts = ParseCgroupMounts(
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "33 31 0:30 / /sys/fs/cgroup/systemd rw master:3 - cgroup cgroup rw,xattr,name=systemd\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  ASSERT_THAT(mounts, SizeIs(3));
  EXPECT_FALSE(mounts[0].v2);
  EXPECT_THAT(mounts[0].options, AllOf(Contains("cpu"), Contains("cpuacct")));
  EXPECT_THAT(mounts[1].options, Contains("name=systemd"));
  EXPECT_TRUE(mounts[2].v2);
}

TEST(ParseCgroupMounts, PathsWithSpacesAreUnescaped) {
  const auto mounts = ParseCgroupMounts("41 31 0:38 /a\\040b /mnt/c\\134d\\011e rw - cgroup2 none rw\n");
  ASSERT_THAT(mounts, SizeIs(1));
  EXPECT_EQ(mounts[0].mount_point, "/mnt/c\\d\te");
  EXPECT_EQ(mounts[0].mount_root, "/a b");
}

TEST(ParseCgroupMounts, LinesThatAreCutOffAreSkipped) {
  for (const char* text : {"", "\n", "41 31 0:38 / /x rw", "41 31 0:38 / /x rw -", "41 31 0:38 / /x rw - cgroup2",
                           "- cgroup2 none rw", "41 - cgroup2 none rw"})
    EXPECT_THAT(ParseCgroupMounts(text), IsEmpty()) << text;
}

TEST(CgroupMounts, WithoutCgroup2TheNextStepIsNamed) {
  const char* v1_only = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
  for (const char* text : {"", v1_only})
    EXPECT_THAT(CgroupMounts::FromMountInfo(text),
                StatusIs(StatusCode::kFailedPrecondition, AllOf(HasSubstr("cgroup2"), HasSubstr("mount -t cgroup2"))));
}

TEST(CgroupMounts, AMountPointThatHoldsSomethingElseNowDoesNotCount) {
  EXPECT_THAT(CgroupMounts::FromMountInfo("41 31 0:38 / /tmp rw - cgroup2 cgroup2 rw\n"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("no cgroup2")));
}

TEST(LibcgroupTree, ARootThatIsNotBelowTheTopsIsRefusedBeforeAnythingIsTouched) {
  for (const char* root :
       {"", "/", "/bulkhead", ".", "./x", "..", "../x", "a/..", "a/../b", "a//b", "a/", "a b", "a\nb"})
    EXPECT_THAT(LibcgroupTree::Create(root), StatusIs(StatusCode::kInvalidArgument, HasSubstr("cgroup.root"))) << root;
}

}  // namespace
}  // namespace bulkhead
