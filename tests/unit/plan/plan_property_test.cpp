// From any state of the kernel to any desired state: one plan gets there, and no step on the way opens a hole.
#include <random>

#include <gtest/gtest.h>

#include "tests/support/random_limits.h"
#include "tests/unit/plan/plan_world.h"

namespace bulkhead::test {
namespace {

class RandomWorld {
 public:
  explicit RandomWorld(uint32_t seed) : random_(seed) {}
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  DesiredState AnyDesired() {
    DesiredState want;
    for (const char* name : {"acme", "acme-2", "beta"}) {
      if (Below(4) == 0) continue;
      TenantSpec tenant{.id = {name}, .labels = {}, .limits = {.values = RandomLimits(random_), .require = {}}};
      want.tenants[tenant.id] = tenant;
      for (const char* task_name : {"a", "b", "c"}) {
        if (Below(3) == 0) continue;
        TaskSpec task{.id = {name, task_name}};
        task.limits.values = RandomLimits(random_, tenant.limits.values);
        if (Below(2)) task.labels["app"] = std::string(1, static_cast<char>('x' + Below(2)));
        want.tasks[task.id] = task;
      }
      for (const char* policy_name : {"p", "q"}) {
        if (Below(2)) continue;
        PolicySpec policy = Policy(name, policy_name).Egress({Allow({Cidr(Below(2) ? "10.0.0.0/8" : "192.0.2.0/24")})});
        if (Below(2)) policy.select["app"] = "x";
        want.policies[policy.id] = policy;
      }
    }
    std::vector<IpAddress> addresses = {Address("10.0.0.1"), Address("10.0.0.2"), Address("fd00::1")};
    for (auto& [id, task] : want.tasks)
      if (!addresses.empty() && Below(3) == 0) {
        task.addresses.push_back(addresses.back());
        addresses.pop_back();
      }
    return want;
  }

  // Whatever a crash, an operator or a bug may leave behind.
  void Disturb(Observed& have) {
    for (uint32_t damage = Below(5); damage > 0; --damage) {
      std::vector<CgroupPath> paths;
      for (const auto& [path, cgroup] : have.cgroups()) paths.push_back(path);
      if (paths.empty()) return;
      const CgroupPath path = paths[Below(static_cast<uint32_t>(paths.size()))];
      ObservedCgroup cgroup = *have.Cgroup(path);
      switch (Below(6)) {
        case 0:
          have.EraseCgroup(path);
          break;
        case 1:
          cgroup.limits = RandomLimits(random_);
          have.SetCgroup(path, cgroup);
          break;
        case 2:
          have.EraseBinding(cgroup.id);
          break;
        case 3:
          have.SetPolicy(have.FreePolicyId(1), {random_(), random_()});
          break;
        case 4:
          have.SetAddress(Address("10.0.0.7"), cgroup.id);
          break;
        default:
          have.SetBinding(5, {4, have.FreePolicyId(1), have.FreeSlot(0)});
          break;
      }
    }
  }

 private:
  std::mt19937 random_;
};

// After every step: what is bound has its policy, and no slot has two owners.
void CheckSafe(const Observed& have, uint32_t seed, const Step& step) {
  std::set<uint32_t> slots;
  for (const auto& [cgroup_id, binding] : have.bindings()) {
    ASSERT_TRUE(!have.HasCgroupId(cgroup_id) || have.policies().contains(binding.policy_id))
        << "seed " << seed << " after " << ToString(step);
    ASSERT_TRUE(slots.insert(binding.slot).second) << "seed " << seed << " after " << ToString(step);
  }
}

// What a cgroup holds on the way is never wider than the wider of before and after. A tenant's set that is exchanged
// for another is both for a moment: no process is in a tenant's cgroup itself.
void CheckWidth(const Limits& before, const SetLimit& step, const Limits& after, uint32_t seed) {
  const LimitKind kind = step.id.kind;
  const auto old = before.Get(step.id), now = after.Get(step.id);
  if (ChangeOf(kind, old, step.value) != Change::kWider || ChangeOf(kind, now, step.value) != Change::kWider) return;
  const bool of_tenant = step.path.value.find('/') == std::string::npos;
  const bool both = old && now && step.value && TraitsOf(kind).shape == LimitShape::kSet && of_tenant &&
                    step.value->set() == old->set().Union(now->set());
  ASSERT_TRUE(both) << "seed " << seed << " " << ToString(Step(step)) << " between " << ToString(step.id, old)
                    << " and " << ToString(step.id, now);
}

TEST(PlanProperty, OnePlanGetsThereFromAnywhere) {
  size_t steps_done = 0;
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    RandomWorld random(seed);
    PlanWorld world;
    world.limits.cpuset_v1 = world.limits.memory_v1 = seed % 2 == 0;
    for (int round = 0; round < 3; ++round) {
      const DesiredState before = world.want;
      world.want = random.AnyDesired();
      world.baseline = static_cast<Baseline>(random.Below(3));
      random.Disturb(world.have);
      PlanScope scope{.everything = true};
      for (const auto& [id, task] : before.tasks) scope.tasks.insert(id);
      for (const auto& [id, tenant] : before.tenants) scope.tenants.insert(id);
      const auto steps = world.Plan(scope);
      const Observed disturbed = world.have;
      for (const Step& step : steps) {
        world.Perform({step});
        CheckSafe(world.have, seed, step);
      }
      for (const Step& step : steps) {
        const auto* limit = std::get_if<SetLimit>(&step);
        const ObservedCgroup* old = limit ? disturbed.Cgroup(limit->path) : nullptr;
        const ObservedCgroup* now = limit ? world.have.Cgroup(limit->path) : nullptr;
        if (now) CheckWidth(old ? old->limits : Limits{}, *limit, now->limits, seed);
      }
      steps_done += steps.size();
      ASSERT_EQ(Texts(world.Plan(scope)), std::vector<std::string>{}) << "seed " << seed;
      ASSERT_EQ(world.have.cgroups().size(), world.want.tenants.size() + world.want.tasks.size()) << "seed " << seed;
      ASSERT_EQ(world.have.bindings().size(), world.want.tasks.size()) << "seed " << seed;
    }
  }
  EXPECT_GT(steps_done, 50'000U);
}

// Object by object, as Apply does it, ends where the one plan ends.
TEST(PlanProperty, ObjectByObjectGetsThereToo) {
  for (uint32_t seed = 1; seed <= 1000; ++seed) {
    RandomWorld random(seed);
    PlanWorld world;
    world.limits.cpuset_v1 = world.limits.memory_v1 = seed % 2 == 0;
    for (int round = 0; round < 3; ++round) {
      const DesiredState before = world.want;
      world.want = random.AnyDesired();
      for (const auto& [id, tenant] : world.want.tenants)
        world.Perform(world.Plan({.tenants = {id}, .widen_tenants_only = true}));
      for (const auto& [id, task] : world.want.tasks) world.Perform(world.Plan({.tasks = {id}}));
      for (const auto& [id, tenant] : world.want.tenants) world.Perform(world.Plan({.tenants = {id}}));
      for (const auto& [id, task] : before.tasks)
        if (!world.want.tasks.contains(id)) world.Perform(world.Plan({.tasks = {id}}));
      for (const auto& [id, tenant] : before.tenants)
        if (!world.want.tenants.contains(id)) world.Perform(world.Plan({.tenants = {id}}));
      ASSERT_EQ(Texts(world.Plan()), std::vector<std::string>{}) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace bulkhead::test
