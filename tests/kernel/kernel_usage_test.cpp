// What is metered of a task: the kernel's counters of its cgroup, with the data plane's of its slot.
#include "agent/kernel/kernel_usage.h"

#include <unistd.h>

#include <gmock/gmock.h>

#include "tests/kernel/scratch_tree.h"
#include "tests/support/fake_policy_maps.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

const CgroupPath kTenant{"acme"};
const CgroupPath kTask{"acme/web"};

class KernelUsageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto scratch = ScratchTree::Create();
    ASSERT_THAT(scratch, IsOk());
    scratch_ = *std::move(scratch);
    ASSERT_THAT(scratch_->tree().Create(kTenant), IsOk());
    ASSERT_THAT(scratch_->tree().Create(kTask), IsOk());
    counted_.passed[1][static_cast<size_t>(Scope::kInternet)] = {1500, 2};
    counted_.dropped[0][static_cast<size_t>(DropReason::kPolicy)] = 3;
    maps_.SetCounters(5, counted_);
    usage_ = std::make_unique<KernelUsage>(scratch_->tree(), maps_, clock_);
  }

  std::unique_ptr<ScratchTree> scratch_;
  FakeCgroupTree unused_;
  FakePolicyMaps maps_{unused_};
  SystemClock clock_;
  NetworkCounters counted_;
  std::unique_ptr<KernelUsage> usage_;
};

TEST_F(KernelUsageTest, TaskHasItsProcessesAndItsNetwork) {
  ASSERT_THAT(usage_->Track(kTask, 5), IsOk());
  Child busy = Child::Sleeping();
  ASSERT_THAT(scratch_->tree().Attach(kTask, busy.pid()), IsOk());
  const BootTime before = clock_.Boot();
  BULKHEAD_TEST_ASSIGN(const UsageReading reading, usage_->Read(kTask));
  EXPECT_EQ(reading.pids, 1u);
  EXPECT_EQ(reading.network, counted_);
  EXPECT_GE(reading.at, before);
}

TEST_F(KernelUsageTest, TenantHasNoNetworkOfItsOwn) {
  ASSERT_THAT(usage_->Track(kTenant, std::nullopt), IsOk());
  BULKHEAD_TEST_ASSIGN(const UsageReading reading, usage_->Read(kTenant));
  EXPECT_EQ(reading.network, NetworkCounters{});
}

TEST_F(KernelUsageTest, WhatIsNotTrackedOrGoneIsNotFound) {
  EXPECT_THAT(usage_->Read(kTask), StatusIs(StatusCode::kNotFound, ::testing::HasSubstr("acme/web")));
  EXPECT_THAT(usage_->Track({"acme/none"}, 1), StatusIs(StatusCode::kNotFound, ::testing::HasSubstr("acme/none")));
  ASSERT_THAT(usage_->Track(kTask, 5), IsOk());
  ASSERT_THAT(scratch_->tree().Remove(kTask), IsOk());
  EXPECT_THAT(usage_->Read(kTask), StatusIs(StatusCode::kNotFound, ::testing::_));
  usage_->Forget(kTask);
  EXPECT_THAT(usage_->Read(kTask), StatusIs(StatusCode::kNotFound, ::testing::HasSubstr("not tracked")));
}

}  // namespace
}  // namespace bulkhead::test
