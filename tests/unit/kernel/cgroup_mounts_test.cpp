#include "agent/kernel/cgroup_mounts.h"

#include <gmock/gmock.h>

#include "agent/kernel/libcgroup_tree.h"
#include "tests/support/matchers.h"

namespace bulkhead {
namespace {

using ::bulkhead::test::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

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
