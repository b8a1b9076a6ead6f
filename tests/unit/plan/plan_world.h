// A desired state, what the kernel holds, and the plan between them, without any kernel.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agent/model/limit_host.h"
#include "agent/plan/plan.h"
#include "agent/plan/policy_compiler.h"
#include "tests/support/builders.h"

namespace bulkhead::test {

class PlanWorld {
 public:
  DesiredState want;
  Observed have;
  LimitHost limits{.cpus = Set("0-3"), .mems = Set("0"), .weaker = {}};
  Disks disks;
  uint32_t max_tasks = 64;
  Baseline baseline = Baseline::kIsolate;

  void Want(const TenantSpec& tenant) { want.tenants[tenant.id] = tenant; }
  void Want(const TaskSpec& task) { want.tasks[task.id] = task; }
  void Want(const PolicySpec& policy) { want.policies[policy.id] = policy; }

  std::vector<Step> Plan(const PlanScope& scope = {.everything = true}) const {
    std::map<TaskId, HashedPolicy> policies;
    for (const auto& [id, task] : want.tasks) {
      auto compiled = CompilePolicy(SelectingPolicies(want, task), baseline);
      EXPECT_TRUE(compiled.ok());
      policies[id] = {std::make_shared<const CompiledPolicy>(*compiled), compiled->ContentHash()};
    }
    auto steps = MakePlan(want, policies, have, scope, Host());
    EXPECT_TRUE(steps.ok()) << steps.status().ToString();
    return steps.ok() ? *steps : std::vector<Step>{};
  }

  void Perform(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      have.Apply(step, next_cgroup_id_++);
    }
  }

  HostFacts Host() const {
    return {.effective =
                [this](const CgroupPath& path, const Limits& wanted, const Limits& above) {
                  const bool task = path.value.find('/') != std::string::npos;
                  return EffectiveOn(limits, task ? Tier::kTask : Tier::kTenant, wanted, above);
                },
            .copied = CopiedOn(limits),
            .disks = disks,
            .max_tasks = max_tasks};
  }

 private:
  uint64_t next_cgroup_id_ = 1000;
};

inline std::vector<std::string> Texts(const std::vector<Step>& steps) {
  std::vector<std::string> texts;
  for (const Step& step : steps) texts.push_back(ToString(step));
  return texts;
}

}  // namespace bulkhead::test
