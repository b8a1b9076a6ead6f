// kill -9 at every change of the kernel, under traffic: what the next agent finds is old or new, object by object; it
// completes the change and leaks nothing; meanwhile no allowed flow breaks and nothing denied passes.
#include <signal.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/kernel/crash_changes.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using Fault = MutationGate::Fault;
using ::testing::AnyOf;

constexpr int kKilled = 128 + SIGKILL;
constexpr int kMostSteps = 100;

class CrashAtStep : public ::testing::TestWithParam<Change> {
 protected:
  void SetUp() override {
    auto world = CrashWorld::Create();
    if (!world.ok() && world.status().code() != StatusCode::kInternal)
      GTEST_SKIP() << "cannot make walls here: " << Message(world.status());
    ASSERT_THAT(world, IsOk());
    world_ = *std::move(world);
    ASSERT_EQ(Begin(*world_, base_), "");
    Remember();
  }

  void Remember() {
    BULKHEAD_TEST_ASSIGN(const StateStore::Loaded saved, world_->Saved());
    for (const auto& [id, task] : base_.tasks)
      if (after_.tasks.contains(id)) uids_[id] = saved.task_uids.at(id);
    for (const auto& [id, uid] : uids_) {
      BULKHEAD_TEST_ASSIGN(const CgroupInfo info, world_->scratch().tree().Info(PathOf(id)));
      cgroup_ids_[id] = info.id;
    }
  }

  // An agent that finds what the last one left, puts it in order, and dies in the change.
  CrashWorld::Ended Live(Fault fault, int n) {
    world_->ReviveSleepers();
    return world_->RunAgent([&](const CrashWorld::Say& say) {
      const auto agent = CrashAgent::Open(*world_, say);
      if (!agent) return;
      agent->CheckTorn(base_, after_);
      agent->Recover();
      agent->CheckRecovered({base_, after_});
      agent->CheckCounters();
      agent->Restore(base_, world_->placed());
      agent->gate().Arm(fault, static_cast<uint64_t>(n));
      const auto results = Perform(agent->engine(), GetParam());
      if (!results.ok()) say("change: " + Message(results.status()));
      agent->gate().Disarm();
    });
  }

  // While no agent lives.
  void CheckLeft() {
    EXPECT_THAT(world_->CheckTraffic(), IsOk());
    EXPECT_THAT(world_->ProbeHost(kClosedPort), AnyOf(EPERM, GetParam().closed_port));
    EXPECT_THAT(world_->ProbeHost(kOpenPort), AnyOf(0, GetParam().open_port));
    BULKHEAD_TEST_ASSIGN(const StateStore::Loaded saved, world_->Saved());
    for (const auto& [id, uid] : uids_) {
      EXPECT_EQ(saved.task_uids.at(id), uid) << id.ToString();
      BULKHEAD_TEST_ASSIGN(const CgroupInfo info, world_->scratch().tree().Info(PathOf(id)));
      EXPECT_EQ(info.id, cgroup_ids_.at(id)) << id.ToString();
    }
    for (const TaskId& id : {TaskId{"acme", "job"}, TaskId{"beta", "run"}}) {
      const bool goes = !saved.desired.tasks.contains(id) ||
                        std::count(saved.removing.begin(), saved.removing.end(), ObjectKey{"task", id.ToString()}) > 0;
      EXPECT_TRUE(goes || world_->SleeperAlive(id.ToString())) << id.ToString();
    }
  }

  const DesiredState base_ = BaseState();
  const DesiredState after_ = AfterOf(GetParam());
  std::unique_ptr<CrashWorld> world_;
  std::map<TaskId, std::string> uids_;
  std::map<TaskId, uint64_t> cgroup_ids_;
};

TEST_P(CrashAtStep, NothingIsHalfAndNothingLeaks) {
  int crashes = 0;
  for (const Fault fault : {Fault::kKillBefore, Fault::kKillAfter}) {
    for (int n = 1; n < kMostSteps; ++n) {
      SCOPED_TRACE(fmt::format("{} change {}", fault == Fault::kKillBefore ? "before" : "after", n));
      const auto ended = Live(fault, n);
      EXPECT_EQ(ended.said, "");
      CheckLeft();
      if (ended.code != kKilled) {
        EXPECT_EQ(ended.code, 0);
        break;
      }
      if (HasFailure()) return;
      ++crashes;
    }
  }
  // Every change writes the state and touches the kernel, before and after.
  EXPECT_GE(crashes, 4);
  RecordProperty("crashes", crashes);
  const auto ended = world_->RunAgent([&](const CrashWorld::Say& say) {
    const auto agent = CrashAgent::Open(*world_, say);
    if (!agent) return;
    agent->Recover();
    agent->CheckRecovered({after_});
    agent->CheckCounters();
  });
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.said, "");
  EXPECT_EQ(world_->ProbeHost(kClosedPort), GetParam().closed_port);
  EXPECT_EQ(world_->ProbeHost(kOpenPort), GetParam().open_port);
  for (const ObjectKey& key : GetParam().remove) EXPECT_FALSE(world_->SleeperAlive(key.name)) << key.name;
}

// The state is saved and nothing is done: all of the change is Recover's, and that is cut short at each of its steps.
class CrashInRecover : public CrashAtStep {};

TEST_P(CrashInRecover, TheNextAgentGoesOn) {
  const int saves = static_cast<int>(GetParam().put.size() + GetParam().remove.size());
  for (int n = 1; n < kMostSteps; ++n) {
    SCOPED_TRACE(fmt::format("before change {} of Recover", n));
    const auto asked = Live(Fault::kKillBefore, saves + 1);
    EXPECT_EQ(asked.said, "");
    ASSERT_EQ(asked.code, kKilled);
    const auto ended = world_->RunAgent([&](const CrashWorld::Say& say) {
      const auto agent = CrashAgent::Open(*world_, say);
      if (!agent) return;
      agent->gate().Arm(Fault::kKillBefore, static_cast<uint64_t>(n));
      agent->Recover();
      agent->gate().Disarm();
      agent->CheckRecovered({after_});
    });
    EXPECT_EQ(ended.said, "");
    CheckLeft();
    if (ended.code != kKilled) {
      EXPECT_EQ(ended.code, 0);
      EXPECT_GE(n, 4);
      break;
    }
    if (HasFailure()) return;
  }
}

std::vector<Change> LongOnes() {
  std::vector<Change> longest;
  for (const Change& change : Changes())
    if (change.put.size() > 3 || change.remove.size() > 3 || change.open_port == EPERM) longest.push_back(change);
  return longest;
}

INSTANTIATE_TEST_SUITE_P(Changes, CrashInRecover, ::testing::ValuesIn(LongOnes()),
                         [](const auto& instance) { return instance.param.name; });
INSTANTIATE_TEST_SUITE_P(Changes, CrashAtStep, ::testing::ValuesIn(Changes()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace bulkhead::test
