// Limits on two levels, changed at random and with every kind of fault.
#include <cerrno>
#include <random>

#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"
#include "tests/support/random_limits.h"

namespace bulkhead::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class LimitChanges : public ::testing::TestWithParam<bool> {
 protected:
  static LimitHost Host() { return GetParam() ? FakeCgroupTree::Hybrid() : FakeCgroupTree::Unified(); }
};

std::vector<ObjectSpec> AnySpecs(std::mt19937& random) {
  TenantSpec tenant{.id = {"acme"}, .labels = {}, .limits = {.values = RandomLimits(random)}};
  std::vector<ObjectSpec> specs{tenant};
  for (const char* name : {"a", "b", "c"}) {
    TaskSpec task{.id = {"acme", name}};
    task.limits.values = RandomLimits(random, tenant.limits.values);
    specs.emplace_back(task);
  }
  return specs;
}

// What a cgroup holds on the way is never wider than the wider of before and after. A tenant's set that is exchanged
// for another is both for a moment: no process is in a tenant's cgroup itself.
void CheckWrites(FakeNode& node, const LimitHost& host, const std::map<std::string, Limits>& before, size_t first,
                 const std::string& where) {
  for (size_t i = first; i < node.tree.writes().size(); ++i) {
    const FakeCgroupTree::Write& write = node.tree.writes()[i];
    const auto old = before.contains(write.path) ? before.at(write.path).Get(write.id) : std::nullopt;
    const auto now = node.tree.LimitsAt(write.path).Get(write.id);
    if (TraitsOf(write.id.kind).wider == WiderIs::kNeither) continue;
    const bool beyond_old = ChangeOf(write.id.kind, old, write.after) == Change::kWider;
    const bool beyond_now = ChangeOf(write.id.kind, now, write.after) == Change::kWider;
    if (!beyond_old || !beyond_now) continue;
    const IndexSet all = write.id.kind == LimitKind::kCpuCpus ? host.cpus : host.mems;
    const bool both = old && now && write.path == "acme" && node.tree.Copied().contains(write.id.kind) &&
                      (write.after ? write.after->set() : all) == old->set().Union(now->set());
    EXPECT_TRUE(both) << where << ": " << write.path << " " << ToString(write.id) << " = "
                      << ToString(write.id, write.after) << " between " << ToString(write.id, old) << " and "
                      << ToString(write.id, now);
  }
}

TEST_P(LimitChanges, TheKernelIsAsPlannedAndWasNeverWiderOnTheWay) {
  std::mt19937 random(7);
  FakeNode node(Baseline::kIsolate, Host());
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    const auto specs = AnySpecs(random);
    std::map<std::string, Limits> before;
    for (const std::string& path : node.tree.Paths()) before[path] = node.tree.LimitsAt(path);
    const size_t first = node.tree.writes().size();
    const auto results = node.engine->Apply(specs, {});
    const std::string where = "round " + std::to_string(round);
    ASSERT_THAT(results, IsOk()) << where;
    for (const ObjectResult& result : *results) ASSERT_THAT(result.error, IsOk()) << where << " " << result.name;
    const auto& tenant = std::get<TenantSpec>(specs.front()).limits.values;
    const Limits above = node.tree.Effective({"acme"}, tenant, {});
    ASSERT_EQ(node.tree.LimitsAt("acme"), above) << where;
    for (size_t i = 1; i < specs.size(); ++i) {
      const auto& task = std::get<TaskSpec>(specs[i]);
      ASSERT_EQ(node.tree.LimitsAt(task.id.ToString()), node.tree.Effective(PathOf(task.id), task.limits.values, above))
          << where << " " << task.id.name;
    }
    CheckWrites(node, Host(), before, first, where);
    const uint64_t steps = node.steps.count();
    ASSERT_THAT(node.engine->Apply(specs, {}), IsOk());
    node.engine->Reconcile();
    ASSERT_EQ(node.steps.count(), steps) << where << ": the same again is nothing to do";
  }
  EXPECT_GT(node.tree.writes().size(), 10u * kRounds);
}

// One fault at each of the writes of a change, with each errno.
TEST_P(LimitChanges, AWriteThatFailsIsTakenBackAndNamed) {
  std::mt19937 random(11);
  int faults = 0;
  for (int round = 0; round < 3; ++round) {
    const auto before = AnySpecs(random), after = AnySpecs(random);
    for (const int error : {EINVAL, EBUSY, ENOSPC, ENODEV, EPERM}) {
      for (const LimitKind kind : kAllLimits) {
        FakeNode node(Baseline::kIsolate, Host());
        ASSERT_THAT(node.engine->Apply(before, {}), IsOk());
        TaskSpec task = std::get<TaskSpec>(after[1]);
        task.limits.values = RandomLimits(random, std::get<TenantSpec>(before.front()).limits.values);
        const Limits held = node.tree.LimitsAt("acme/a");
        node.tree.FailNext(LimitName(kind), error);
        const auto results = node.engine->Apply({task}, {});
        ASSERT_THAT(results, IsOk());
        const ObjectResult& result = results->front();
        if (result.error.ok()) continue;  // this limit was not written
        ++faults;
        EXPECT_EQ(result.outcome, Outcome::kRefused);
        EXPECT_EQ(ErrnoOf(result.error), error);
        EXPECT_THAT(Message(result.error), AllOf(HasSubstr("acme/a"), HasSubstr(LimitName(kind))));
        EXPECT_EQ(node.tree.LimitsAt("acme/a"), held) << "taken back";
        EXPECT_EQ(node.engine->desired().tasks.at(task.id), std::get<TaskSpec>(before[1]));
        EXPECT_FALSE(node.engine->StateOf(task.id).walls_missing);
        const auto again = node.engine->Apply({task}, {});
        ASSERT_THAT(again, IsOk());
        EXPECT_THAT(again->front().error, IsOk()) << "nothing stands in its way any more";
      }
    }
  }
  EXPECT_GT(faults, 60);
}

// What cannot be put right is said, and put right later.
TEST_P(LimitChanges, ADriftThatCannotBeUndoneIsReportedUntilItIs) {
  for (const int error : {EINVAL, EBUSY, ENOSPC, ENODEV, EPERM}) {
    FakeNode node(Baseline::kIsolate, Host());
    ASSERT_THAT(node.engine->Apply({Tenant("acme"), Task("acme", "a").PidsMax(5)}, {}), IsOk());
    node.tree.WriteBehind({"acme/a"}, LimitKind::kPidsMax, 500);
    node.tree.FailNext("pids.max", error);
    node.engine->Reconcile();
    const ObjectState state = node.engine->StateOf(TaskId{"acme", "a"});
    EXPECT_EQ(state.enforcement, Enforcement::kDegraded);
    EXPECT_THAT(state.reasons, ::testing::Contains(HasSubstr("the kernel holds 500, wanted is 5")));
    EXPECT_THAT(node.EventsOf("degraded"), ::testing::SizeIs(1));
    node.engine->Reconcile();
    EXPECT_EQ(node.engine->StateOf(TaskId{"acme", "a"}).enforcement, Enforcement::kEnforced);
  }
}

TEST_P(LimitChanges, ACgroupThatVanishesIsMadeAnewWithAllOfItsLimits) {
  FakeNode node(Baseline::kIsolate, Host());
  std::mt19937 random(3);
  const auto specs = AnySpecs(random);
  ASSERT_THAT(node.engine->Apply(specs, {}), IsOk());
  const Limits held = node.tree.LimitsAt("acme/a");
  for (const char* gone : {"acme/a", "acme"}) {
    node.tree.RemoveBehind({gone});
    const auto again = node.engine->Apply(specs, {});
    ASSERT_THAT(again, IsOk());
    for (const ObjectResult& result : *again) EXPECT_THAT(result.error, IsOk()) << result.name;
    node.engine->Reconcile();
    EXPECT_EQ(node.tree.LimitsAt("acme/a"), held) << gone;
  }
}

INSTANTIATE_TEST_SUITE_P(, LimitChanges, ::testing::Bool(),
                         [](const auto& instance) { return instance.param ? "Hybrid" : "Unified"; });

}  // namespace
}  // namespace bulkhead::test
