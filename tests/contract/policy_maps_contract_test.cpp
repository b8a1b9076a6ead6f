// What every PolicyMaps does, the kernel's and the fake: tests of the engine are worth what this suite is worth.
#include "agent/kernel/policy_maps.h"

#include <unistd.h>

#include <memory>

#include <gmock/gmock.h>

#include "tests/support/builders.h"
#include "tests/support/fake_policy_maps.h"
#include "tests/support/lab.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class World {
 public:
  virtual ~World() = default;
  virtual PolicyMaps& maps() = 0;
  virtual void RemakeRoot() = 0;  // somebody removes the top cgroup; it is made anew
};

class FakeWorld final : public World {
 public:
  PolicyMaps& maps() override { return maps_; }
  void RemakeRoot() override {
    tree_.RemoveBehind({""});
    ASSERT_THAT(tree_.Create({""}), IsOk());
  }

 private:
  FakeCgroupTree tree_;
  FakePolicyMaps maps_{tree_};
};

class RealWorld final : public World {
 public:
  explicit RealWorld(std::unique_ptr<Lab> lab) : lab_(std::move(lab)) {}
  PolicyMaps& maps() override { return lab_->maps(); }
  void RemakeRoot() override { lab_->RemakeRoot(); }

 private:
  std::unique_ptr<Lab> lab_;
};

enum class Kind { kFake, kReal };

// One class of ranges for two prefixes, per family and direction.
CompiledPolicy SomePolicy(uint16_t port) {
  CompiledPolicy policy;
  policy.classes[{Direction::kEgress, kFirstPrefixClass}] = {{6, true, port, port, 1}};
  policy.classes[{Direction::kEgress, kClassSameTenant}] = {{0, true, 0, 65535, 0}};
  policy.prefixes = {{Direction::kEgress, Prefix("10.0.0.0/8"), kFirstPrefixClass},
                     {Direction::kEgress, Prefix("fd00::/8"), kFirstPrefixClass}};
  policy.rule_names = {"baseline", "acme/web egress[0]"};
  return policy;
}

CompiledPolicy ManyPrefixes(uint32_t count) {
  CompiledPolicy policy;
  policy.classes[{Direction::kEgress, kFirstPrefixClass}] = {{0, true, 0, 65535, 1}};
  for (uint32_t i = 0; i < count; ++i) {
    IpPrefix prefix = Prefix("10.0.0.0/32");
    for (size_t byte = 1; byte < 4; ++byte) prefix.address.bytes[byte] = static_cast<uint8_t>(i >> (24 - 8 * byte));
    policy.prefixes.push_back({Direction::kEgress, prefix, kFirstPrefixClass});
  }
  return policy;
}

class PolicyMapsContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kFake) {
      world_ = std::make_unique<FakeWorld>();
      return;
    }
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto lab = Lab::Create();
    ASSERT_THAT(lab, IsOk());
    world_ = std::make_unique<RealWorld>(*std::move(lab));
  }
  PolicyMaps& maps() { return world_->maps(); }
  uint64_t Used(const std::string& map) {
    for (const MapUse& use : maps().Use())
      if (use.map == map) return use.used;
    ADD_FAILURE() << "no map " << map;
    return 0;
  }

  std::unique_ptr<World> world_;
};

TEST_P(PolicyMapsContract, PolicyIsThereWholeUntilItIsRetired) {
  ASSERT_THAT(maps().InstallPolicy(7, SomePolicy(80)), IsOk());
  BULKHEAD_TEST_ASSIGN(const auto installed, maps().Policies());
  EXPECT_THAT(installed, ElementsAre(Pair(7u, SomePolicy(80).ContentHash())));
  ASSERT_THAT(maps().RetirePolicy(7), IsOk());
  BULKHEAD_TEST_ASSIGN(const auto left, maps().Policies());
  EXPECT_THAT(left, IsEmpty());
  for (const char* map : {"policies", "prefixes", "classes"}) EXPECT_EQ(Used(map), 0u) << map;
}

TEST_P(PolicyMapsContract, IdInUseIsRefusedAndTheFirstStays) {
  ASSERT_THAT(maps().InstallPolicy(7, SomePolicy(80)), IsOk());
  EXPECT_THAT(maps().InstallPolicy(7, SomePolicy(81)), StatusIs(StatusCode::kAlreadyExists, HasSubstr("policy 7")));
  BULKHEAD_TEST_ASSIGN(const auto installed, maps().Policies());
  EXPECT_THAT(installed, ElementsAre(Pair(7u, SomePolicy(80).ContentHash())));
}

TEST_P(PolicyMapsContract, WhatDoesNotFitIsRefusedWhole) {
  ASSERT_THAT(maps().InstallPolicy(1, SomePolicy(80)), IsOk());
  EXPECT_THAT(maps().InstallPolicy(2, ManyPrefixes((1 << 20) - 1)),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("prefixes")));
  EXPECT_EQ(Used("prefixes"), 2u);
  EXPECT_EQ(Used("policies"), 1u);
}

TEST_P(PolicyMapsContract, RetiringOnePolicyLeavesOthers) {
  ASSERT_THAT(maps().InstallPolicy(1, ManyPrefixes(10000)), IsOk());
  ASSERT_THAT(maps().InstallPolicy(2, SomePolicy(80)), IsOk());
  EXPECT_EQ(Used("prefixes"), 10002u);
  ASSERT_THAT(maps().RetirePolicy(1), IsOk());
  EXPECT_EQ(Used("prefixes"), 2u);
  EXPECT_EQ(Used("classes"), 2u);
  EXPECT_THAT(maps().RetirePolicy(1), IsOk()) << "retired already";
}

TEST_P(PolicyMapsContract, BindingIsReadBackAndReplaced) {
  ASSERT_THAT(maps().InstallPolicy(1, SomePolicy(80)), IsOk());
  ASSERT_THAT(maps().InstallPolicy(2, SomePolicy(81)), IsOk());
  ASSERT_THAT(maps().BindTask(100, {.tenant_cgroup_id = 50, .policy_id = 1, .slot = 3}, true), IsOk());
  ASSERT_THAT(maps().BindTask(100, {.tenant_cgroup_id = 50, .policy_id = 2, .slot = 3}, false), IsOk());
  BULKHEAD_TEST_ASSIGN(const auto bound, maps().Bindings());
  EXPECT_THAT(bound, ElementsAre(Pair(100u, TaskBinding{50, 2, 3})));
  EXPECT_EQ(Used("tasks"), 1u);
  ASSERT_THAT(maps().UnbindTask(100), IsOk());
  EXPECT_THAT(maps().UnbindTask(100), IsOk()) << "unbound already";
  BULKHEAD_TEST_ASSIGN(const auto left, maps().Bindings());
  EXPECT_THAT(left, IsEmpty());
  EXPECT_EQ(Used("tasks"), 0u);
}

TEST_P(PolicyMapsContract, SlotBeyondTheLastIsInvalid) {
  EXPECT_THAT(maps().BindTask(100, {.tenant_cgroup_id = 50, .policy_id = 1, .slot = maps().MaxTasks()}, true),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("slot")));
  EXPECT_THAT(maps().ReadCounters(maps().MaxTasks()), StatusIs(StatusCode::kInvalidArgument, HasSubstr("slot")));
  EXPECT_THAT(maps().ReadCounters(maps().MaxTasks() - 1), IsOk());
}

TEST_P(PolicyMapsContract, AddressHasOneOwner) {
  ASSERT_THAT(maps().SetAddress(Address("10.0.0.1"), 100), IsOk());
  ASSERT_THAT(maps().SetAddress(Address("fd00::1"), 100), IsOk());
  ASSERT_THAT(maps().SetAddress(Address("10.0.0.1"), 200), IsOk());
  BULKHEAD_TEST_ASSIGN(const auto addresses, maps().Addresses());
  EXPECT_THAT(addresses, ElementsAre(Pair(Address("10.0.0.1"), 200u), Pair(Address("fd00::1"), 100u)));
  EXPECT_EQ(Used("addresses"), 2u);
  ASSERT_THAT(maps().ClearAddress(Address("10.0.0.1")), IsOk());
  EXPECT_THAT(maps().ClearAddress(Address("10.0.0.1")), IsOk()) << "cleared already";
  EXPECT_EQ(Used("addresses"), 1u);
}

TEST_P(PolicyMapsContract, RootThatWasMadeAnewNeedsAttachingAgain) {
  ASSERT_THAT(maps().CheckAttached(), IsOk());
  ASSERT_THAT(maps().InstallPolicy(1, SomePolicy(80)), IsOk());
  world_->RemakeRoot();
  EXPECT_THAT(maps().CheckAttached(), StatusIs(StatusCode::kFailedPrecondition, _));
  ASSERT_THAT(maps().Attach(), IsOk());
  EXPECT_THAT(maps().CheckAttached(), IsOk());
  EXPECT_THAT(maps().Attach(), IsOk()) << "attached already";
  BULKHEAD_TEST_ASSIGN(const auto installed, maps().Policies());
  EXPECT_EQ(installed.size(), 1u) << "policies outlive the cgroup";
}

INSTANTIATE_TEST_SUITE_P(Fake, PolicyMapsContract, ::testing::Values(Kind::kFake));
INSTANTIATE_TEST_SUITE_P(Real, PolicyMapsContract, ::testing::Values(Kind::kReal));

}  // namespace
}  // namespace bulkhead::test
