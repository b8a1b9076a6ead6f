// An errno at every change of the real kernel: what failed is taken back whole, what stands is enforced, the error says
// what it was about.
#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/engine/observe.h"
#include "tests/kernel/crash_changes.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using Fault = MutationGate::Fault;

constexpr uint64_t kMostSteps = 100;

// What the change would do, from validate_only.
std::vector<std::string> StepsOf(Engine& engine, const Change& change) {
  std::vector<std::string> steps;
  const bool prune = !change.remove.empty();
  const auto results =
      engine.Apply(prune ? ObjectsOf(AfterOf(change)) : change.put, {.validate_only = true, .prune = prune});
  if (!results.ok()) return {};
  for (const ObjectResult& result : *results) steps.insert(steps.end(), result.steps.begin(), result.steps.end());
  return steps;
}

// The error of the object that failed; the others were not tried.
Status FirstError(const Result<std::vector<ObjectResult>>& results) {
  if (!results.ok()) return results.status();
  for (const ObjectResult& result : *results)
    if (!result.error.ok() && Message(result.error).find("not tried") == std::string::npos) return result.error;
  return Ok();
}

// One change that fails at its n-th step; false: it has fewer.
bool FailOnce(CrashAgent& agent, const Change& change, Fault fault, uint64_t n, const CrashWorld::Say& say) {
  const std::vector<std::string> steps = StepsOf(agent.engine(), change);
  const auto before = agent.Observe();
  agent.gate().Arm(fault, n, EIO);
  const auto results = Perform(agent.engine(), change);
  agent.gate().Disarm();
  if (!agent.gate().fired()) return false;
  const Status error = FirstError(results);
  const std::string text = Message(error);
  if (!error.ok()) {
    if (ErrnoOf(error) != EIO) say("errno is lost: " + text);
    if (text.find(agent.gate().fired_at()) == std::string::npos) say("cause is lost: " + text);
    if (std::none_of(steps.begin(), steps.end(),
                     [&](const auto& step) { return text.find(step) != std::string::npos; }))
      say("names no step: " + text);
    const auto now = agent.Observe();
    if (change.put.size() == 1 && !(before.ok() && now.ok() && *before == *now)) say("not taken back: " + text);
    if (change.put.size() == 1 && agent.engine().desired() != BaseState()) say("still desired: " + text);
  }
  // A policy that could not be retired stays until the next tick, and a removal cannot be taken back: the object stands
  // again after it.
  if (error.ok() || !change.remove.empty()) agent.engine().Reconcile();
  agent.CheckSettled();
  return true;
}

class FailAtStep : public ::testing::TestWithParam<Change> {};

TEST_P(FailAtStep, WhatFailedIsTakenBack) {
  auto created = CrashWorld::Create();
  if (!created.ok() && created.status().code() != StatusCode::kInternal)
    GTEST_SKIP() << "cannot make walls here: " << Message(created.status());
  ASSERT_THAT(created, IsOk());
  CrashWorld& world = **created;
  world.StartTraffic();
  const auto ended = world.RunAgent([&](const CrashWorld::Say& say) {
    const auto agent = CrashAgent::Open(world, say);
    if (!agent) return;
    agent->Recover();
    agent->Restore(BaseState(), world.placed());
    if (const Status going = world.Go(); !going.ok()) say(Message(going));
    uint64_t failures = 0;
    for (const Fault fault : {Fault::kFailBefore, Fault::kFailAfter}) {
      for (uint64_t n = 1; n < kMostSteps; ++n, ++failures) {
        const auto say_where = [&](const std::string& line) {
          say(fmt::format("{} change {}, {}: {}", fault == Fault::kFailBefore ? "instead of" : "after", n,
                          agent->gate().fired_at(), line));
        };
        agent->SayWith(say_where);
        const bool failed = FailOnce(*agent, GetParam(), fault, n, say_where);
        agent->Restore(BaseState(), {});
        if (!failed) break;
      }
    }
    if (failures < 2) say("nothing failed");
    agent->CheckCounters();
  });
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.said, "");
  EXPECT_THAT(world.CheckTraffic(), IsOk());
}

std::vector<Change> SingleAndOther() {
  std::vector<Change> changes = Changes();
  changes.push_back(
      {"NewTask",
       {Task("acme", "new").CpuMax(1).CpuWeight(50).MemoryMax(1_MiB).PidsMax(5).Addr("10.1.0.7").Label("kind", "job")},
       {}});
  changes.push_back({"NewTenant", {Tenant("gamma").CpuMax(1).CpuWeight(50).MemoryMax(1_MiB).PidsMax(5)}, {}});
  changes.push_back(
      {"TenantWiderAndNarrower", {Tenant("acme").CpuMax(2).MemoryMax(512_MiB).PidsMax(300).CpuWeight(300)}, {}});
  return changes;
}

INSTANTIATE_TEST_SUITE_P(Changes, FailAtStep, ::testing::ValuesIn(SingleAndOther()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace bulkhead::test
