// kill -9 at moments that nobody chose: within a start, a recovery, a change or half-way through one of its steps.
#include <signal.h>
#include <time.h>

#include <chrono>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/kernel/crash_changes.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using namespace std::chrono_literals;

constexpr int kKilled = 128 + SIGKILL;
constexpr int kKills = 200;
// On a slow machine (an emulated one) fewer will do.
constexpr int kFewestKills = 20;
constexpr std::chrono::seconds kLongEnough{120};
constexpr std::chrono::microseconds kLongestLife = 200ms;

// The kernel kills this process then, wherever it is.
void DieIn(std::chrono::microseconds time) {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  timer_t timer{};
  itimerspec when{};
  when.it_value.tv_nsec = std::chrono::nanoseconds(time).count() + 1;
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || ::timer_settime(timer, 0, &when, nullptr) != 0)
    ::raise(SIGKILL);
}

class CrashAtRandom : public ::testing::Test {
 protected:
  // An agent that puts in order what it finds and then makes one change after the other until it is killed. Half of
  // them die while they start, half while they work.
  CrashWorld::Ended Live(std::chrono::microseconds time, bool in_start, size_t first) {
    world_->ReviveSleepers();
    return world_->RunAgent([&](const CrashWorld::Say& say) {
      if (in_start) DieIn(time);
      const auto agent = CrashAgent::Open(*world_, say);
      if (!agent) return;
      agent->Recover();
      agent->CheckRecovered(possible_);
      agent->CheckCounters();
      if (!in_start) DieIn(time);
      for (size_t i = first; true; ++i) {
        agent->Restore(BaseState(), world_->placed());
        const auto results = Perform(agent->engine(), changes_[i % changes_.size()]);
        if (!results.ok()) say("change: " + Message(results.status()));
      }
    });
  }

  const std::vector<Change> changes_ = Changes();
  std::vector<DesiredState> possible_ = {BaseState()};
  std::unique_ptr<CrashWorld> world_;
};

TEST_F(CrashAtRandom, NothingLeaksAndTheWallsStand) {
  auto world = CrashWorld::Create();
  if (!world.ok() && world.status().code() != StatusCode::kInternal)
    GTEST_SKIP() << "cannot make walls here: " << Message(world.status());
  ASSERT_THAT(world, IsOk());
  world_ = *std::move(world);
  for (const Change& change : changes_) possible_.push_back(AfterOf(change));
  ASSERT_EQ(Begin(*world_, BaseState()), "");
  BULKHEAD_TEST_ASSIGN(const StateStore::Loaded at_first, world_->Saved());
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  std::uniform_int_distribution<int64_t> moment(0, kLongestLife.count());
  const auto enough = std::chrono::steady_clock::now() + kLongEnough;
  for (int n = 0; n < kKills && (n < kFewestKills || std::chrono::steady_clock::now() < enough); ++n) {
    const std::chrono::microseconds time(moment(random));
    const bool in_start = n % 2 == 0;
    SCOPED_TRACE(fmt::format("kill {}, {} us after the {}, seed {}", n, time.count(),
                             in_start ? "start" : "first change", seed));
    const auto ended = Live(time, in_start, random() % changes_.size());
    EXPECT_EQ(ended.code, kKilled);
    EXPECT_EQ(ended.said, "");
    EXPECT_THAT(world_->CheckTraffic(), IsOk());
    BULKHEAD_TEST_ASSIGN(const StateStore::Loaded saved, world_->Saved());
    for (const TaskId& id : {TaskId{"acme", "app"}, TaskId{"acme", "web"}, TaskId{"acme", "flip"}})
      EXPECT_EQ(saved.task_uids.at(id), at_first.task_uids.at(id)) << id.ToString();
    if (HasFailure()) return;
    RecordProperty("kills", n + 1);
  }
}

}  // namespace
}  // namespace bulkhead::test
