// Limits of the disk that a path is on.
#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const DiskId kDisk{8, 0};  // the one that the fake tree knows
const LimitId kReads{LimitKind::kIoReadBps, OfDisk(kDisk)};

TaskSpec Reader(const std::vector<std::string>& paths) {
  TaskSpec task{.id = {"acme", "web"}};
  for (const std::string& path : paths) task.limits.io.push_back({.path = path, .read_bps = 1'000'000});
  return task;
}

std::vector<ObjectSpec> With(const TaskSpec& task) { return {TenantSpec{.id = {"acme"}}, task}; }

class DiskLimits : public ::testing::Test {
 protected:
  DiskLimits() {
    node.disks["/data"] = kDisk;
    EXPECT_TRUE(node.engine->Apply(With(Reader({"/data"})), {}).ok());
  }
  ObjectState State() { return node.engine->StateOf(TaskId{"acme", "web"}); }

  FakeNode node;
};

TEST_F(DiskLimits, HoldOnTheDiskUnderThePath) {
  EXPECT_EQ(node.tree.LimitsAt("acme/web").Number(kReads), 1'000'000);
  EXPECT_EQ(State().enforcement, Enforcement::kEnforced);
}

TEST_F(DiskLimits, StayWhenThePathGoesAwayAndSaySo) {
  node.disks.clear();
  node.engine->Reconcile();
  EXPECT_EQ(node.tree.LimitsAt("acme/web").Number(kReads), 1'000'000);
  EXPECT_EQ(State().enforcement, Enforcement::kDegraded);
  EXPECT_THAT(State().reasons, ElementsAre(AllOf(HasSubstr("io[0].path"), HasSubstr("/data"))));
  node.disks["/data"] = kDisk;
  node.engine->Reconcile();
  EXPECT_EQ(State().enforcement, Enforcement::kEnforced);
}

TEST_F(DiskLimits, OfAPathOnNoDiskAreRefusedAndNothingChanges) {
  const auto refused = node.engine->Apply(With(Reader({"/data", "/nowhere"})), {});
  EXPECT_THAT(Message(refused.status()), AllOf(HasSubstr("task acme/web: limits.io[1].path"), HasSubstr("/nowhere")));
  EXPECT_EQ(node.tree.LimitsAt("acme/web").Number(kReads), 1'000'000);
}

TEST_F(DiskLimits, OfTwoPathsOnOneDiskAreRefused) {
  node.disks["/data/more"] = kDisk;
  const auto refused = node.engine->Apply(With(Reader({"/data", "/data/more"})), {});
  EXPECT_THAT(Message(refused.status()), AllOf(HasSubstr("limits.io[1].path"), HasSubstr("8:0")));
}

}  // namespace
}  // namespace bulkhead::test
