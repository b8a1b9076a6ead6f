// A desired state, what the kernel holds, and the plan between them, without any kernel.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agent/plan/plan.h"
#include "agent/plan/policy_compiler.h"
#include "tests/support/builders.h"

namespace bulkhead::test {

class PlanWorld {
 public:
  DesiredState want;
  Observed have;
  HostFacts host{.effective = Effective, .max_tasks = 64};
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
    auto steps = MakePlan(want, policies, have, scope, host);
    EXPECT_TRUE(steps.ok()) << steps.status().ToString();
    return steps.ok() ? *steps : std::vector<Step>{};
  }

  void Perform(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      Step done = step;
      if (auto* limit = std::get_if<SetLimit>(&done)) limit->value = Effective(limit->kind, limit->value);
      have.Apply(done, next_cgroup_id_++);
    }
  }

  static std::optional<uint64_t> Effective(LimitKind kind, std::optional<uint64_t> value) {
    if (value && kind == LimitKind::kMemoryMax) return *value / 4096 * 4096;
    if (value == kDefaultCpuWeight && kind == LimitKind::kCpuWeight) return std::nullopt;
    return value;
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
