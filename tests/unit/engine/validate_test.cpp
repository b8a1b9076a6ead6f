// Bad sets change nothing and name object and field.
#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct BadSet {
  const char* name;
  std::vector<ObjectSpec> objects;
  StatusCode code;
  std::vector<const char*> says;
};

class BadSets : public ::testing::TestWithParam<BadSet> {};

TEST_P(BadSets, ChangeNothingAndNameObjectAndField) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply({Tenant("acme").PidsMax(100).MemoryMax(1_GiB).CpuMax(2),
                                  Task("acme", "web").PidsMax(50).MemoryMax(512_MiB).CpuMax(1).Addr("10.0.0.1")},
                                 {}),
              IsOk());
  node.tree.SetUnsupported(LimitKind::kCpuWeight, "the cpu controller is not there");
  const uint64_t steps = node.steps.count();
  const DesiredState desired = node.engine->desired();
  // A good object before the bad one is not applied either.
  std::vector<ObjectSpec> objects = {Tenant("good")};
  objects.insert(objects.end(), GetParam().objects.begin(), GetParam().objects.end());
  for (bool dry_run : {true, false}) {
    const auto results = node.engine->Apply(objects, {.validate_only = dry_run});
    for (const char* text : GetParam().says) EXPECT_THAT(results, StatusIs(GetParam().code, HasSubstr(text)));
  }
  EXPECT_EQ(node.steps.count(), steps);
  EXPECT_TRUE(node.engine->desired() == desired);
  node.Start();
  EXPECT_TRUE(node.engine->desired() == desired);
}

std::vector<std::string> ManyPorts() {
  std::vector<std::string> ports;
  for (int i = 0; i < 300; ++i) ports.push_back("tcp/" + std::to_string(1 + 2 * i));
  return ports;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadSets,
    ::testing::Values(
        BadSet{"UnknownTenantOfTask", {Task("nope", "t")}, StatusCode::kNotFound, {"task nope/t", "tenant nope"}},
        BadSet{"UnknownTenantOfPolicy", {Policy("nope", "p").Ingress()}, StatusCode::kNotFound, {"policy nope/p"}},
        BadSet{"SameObjectTwice",
               {Task("acme", "a"), Task("acme", "a")},
               StatusCode::kInvalidArgument,
               {"task acme/a", "twice"}},
        BadSet{"NameThatClimbs", {Tenant("..")}, StatusCode::kInvalidArgument, {"tenant ..", "name"}},
        BadSet{"NameWithSlash", {Task("acme", "a/b")}, StatusCode::kInvalidArgument, {"task acme/a/b", "name"}},
        BadSet{"PidsAboveTheTenants",
               {Task("acme", "a").PidsMax(101)},
               StatusCode::kInvalidArgument,
               {"task acme/a", "limits.pids.max", "101", "100"}},
        BadSet{"MemoryAboveTheTenants",
               {Task("acme", "a").MemoryMax(2_GiB)},
               StatusCode::kInvalidArgument,
               {"limits.memory.max", "2147483648", "1073741824"}},
        BadSet{"CpuAboveTheTenants",
               {Task("acme", "a").CpuMax(3)},
               StatusCode::kInvalidArgument,
               {"limits.cpu.max", "300000", "200000"}},
        BadSet{"TenantBelowItsTask",
               {Tenant("acme").PidsMax(49)},
               StatusCode::kInvalidArgument,
               {"tenant acme", "limits.pids.max", "49", "50", "acme/web"}},
        BadSet{"AbsurdQuantity",
               {Tenant("beta").PidsMax(0)},
               StatusCode::kInvalidArgument,
               {"tenant beta", "limits.pids.max"}},
        BadSet{"AddressOfTwoTasks",
               {Task("acme", "a").Addr("10.0.0.1")},
               StatusCode::kInvalidArgument,
               {"task acme/a", "addresses", "10.0.0.1", "acme/web"}},
        BadSet{"AddressTwice",
               {Task("acme", "a").Addr("10.0.0.2").Addr("10.0.0.2")},
               StatusCode::kInvalidArgument,
               {"addresses", "twice"}},
        BadSet{"MetadataAddress",
               {Task("acme", "a").Addr("169.254.169.254")},
               StatusCode::kInvalidArgument,
               {"addresses", "169.254.169.254"}},
        BadSet{"LoopbackAddress",
               {Task("acme", "a").Addr("127.0.0.1")},
               StatusCode::kInvalidArgument,
               {"addresses", "127.0.0.1"}},
        BadSet{"LimitThisHostLacks",
               {Task("acme", "a").CpuWeight(10).Require("cpu.weight")},
               StatusCode::kFailedPrecondition,
               {"task acme/a", "limits.cpu.weight: required", "controller"}},
        BadSet{"CpusOutsideTheTenants",
               {Tenant("acme").Cpus("0-1"), Task("acme", "a").Cpus("1-2")},
               StatusCode::kInvalidArgument,
               {"task acme/a", "limits.cpu.cpus", "1-2", "0-1"}},
        BadSet{"LimitsThatExclude",
               {Task("acme", "a").MemoryMax(1_MiB).MemoryHigh(1_MiB)},
               StatusCode::kInvalidArgument,
               {"task acme/a", "limits.memory.high", "below memory.max"}},
        BadSet{"PolicyThatDoesNotFit",
               {Policy("acme", "sieve").Ingress({Allow({}, ManyPorts())})},
               StatusCode::kResourceExhausted,
               {"acme/sieve", "300"}}),
    [](const auto& instance) { return instance.param.name; });

TEST(Validate, OverCommitOfTheSumIsLegal) {
  FakeNode node;
  EXPECT_THAT(node.engine->Apply({Tenant("acme").MemoryMax(100_MiB), Task("acme", "a").MemoryMax(80_MiB),
                                  Task("acme", "b").MemoryMax(80_MiB)},
                                 {}),
              IsOk());
  EXPECT_THAT(node.tree.Paths(), ::testing::SizeIs(3));
}

TEST(Validate, TenantAndTaskMayRiseAndFallInOneSet) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply({Tenant("acme").PidsMax(100), Task("acme", "a").PidsMax(100)}, {}), IsOk());
  EXPECT_THAT(node.engine->Apply({Task("acme", "a").PidsMax(200), Tenant("acme").PidsMax(200)}, {}), IsOk());
  EXPECT_THAT(node.engine->Apply({Tenant("acme").PidsMax(20), Task("acme", "a").PidsMax(10)}, {}), IsOk());
  EXPECT_EQ(node.tree.LimitsAt("acme").Number(LimitKind::kPidsMax), 20U);
}

TEST(Validate, AddressMayMoveBetweenTasksOfOneSet) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply({Tenant("acme"), Task("acme", "a").Addr("10.0.0.1"), Task("acme", "b")}, {}), IsOk());
  ASSERT_THAT(node.engine->Apply({Task("acme", "b").Addr("10.0.0.1"), Task("acme", "a")}, {}), IsOk());
  EXPECT_EQ(node.Kernel().OwnerOf(Address("10.0.0.1")), node.tree.IdOf("acme/b"));
}

TEST(Validate, TooManyTasksAreRefusedBeforeAnyIsMade) {
  FakeNode node;
  node.maps.SetCapacity({.tasks = 2});
  EXPECT_THAT(node.engine->Apply({Tenant("acme"), Task("acme", "a"), Task("acme", "b"), Task("acme", "c")}, {}),
              StatusIs(StatusCode::kResourceExhausted, AllOf(HasSubstr("3 tasks"), HasSubstr("holds 2"))));
  EXPECT_THAT(node.tree.Paths(), ::testing::IsEmpty());
}

TEST(Validate, PruneOfATenantWhoseTaskIsInTheSetIsAnError) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply({Tenant("acme"), Task("acme", "a")}, {}), IsOk());
  EXPECT_THAT(node.engine->Apply({Task("acme", "a")}, {.prune = true}),
              StatusIs(StatusCode::kNotFound, HasSubstr("tenant acme")));
}

}  // namespace
}  // namespace bulkhead::test
