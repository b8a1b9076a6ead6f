// Processes are under all walls or under none: threads, forks during the move, refusals half way, fork bombs.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/base/file_io.h"
#include "tests/kernel/scratch_tree.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const CgroupPath kAcme{"acme"};
const CgroupPath kWeb{"acme/web"};
constexpr std::chrono::seconds kPatience{20};

class CgroupProcesses : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto scratch = ScratchTree::Create();
    ASSERT_THAT(scratch, IsOk());
    scratch_ = *std::move(scratch);
    ASSERT_THAT(tree().Create(kAcme), IsOk());
    ASSERT_THAT(tree().Create(kWeb), IsOk());
  }
  LibcgroupTree& tree() { return scratch_->tree(); }
  std::string DirIn(const CgroupHierarchy& hierarchy) { return hierarchy.mount_point + "/" + tree().Relative(kWeb); }
  std::set<int> Members(const CgroupHierarchy& hierarchy) {
    std::set<int> pids;
    auto text = ReadFile(DirIn(hierarchy) + "/cgroup.procs");
    std::istringstream in(text.ok() ? *text : "");
    for (int pid = 0; in >> pid;) pids.insert(pid);
    return pids;
  }
  // The lines of /proc/…/cgroup that name the task; one per hierarchy.
  size_t WallsOf(const std::string& proc_dir) {
    auto text = ReadFile(proc_dir + "/cgroup");
    size_t walls = 0;
    std::istringstream in(text.ok() ? *text : "");
    for (std::string line; std::getline(in, line);) walls += line.ends_with("/" + tree().Relative(kWeb)) ? 1 : 0;
    return walls;
  }
  std::unique_ptr<ScratchTree> scratch_;
};

TEST_F(CgroupProcesses, AllThreadsAreMovedInEveryHierarchy) {
  const Gate ready;
  Child child([&] {
    std::thread one([] { ::pause(); });
    std::thread two([] { ::pause(); });
    ready.Open();
    one.join();
    two.join();
    return 0;
  });
  ready.Pass();
  ASSERT_THAT(tree().Attach(kWeb, child.pid()), IsOk());
  size_t threads = 0;
  for (const auto& thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", child.pid()))) {
    EXPECT_EQ(WallsOf(thread.path()), tree().mounts().all().size()) << thread.path();
    ++threads;
  }
  EXPECT_EQ(threads, 3u);
}

// A tree of forks that never stops growing on its own; pids.max keeps the machine alive.
[[noreturn]] void ForkBomb() {
  while (true) {
    if (::fork() < 0) ::sched_yield();
  }
}

TEST_F(CgroupProcesses, WhatForksWhileItIsMovedIsUnderAllWallsOrNone) {
  ASSERT_THAT(tree().SetLimit(kAcme, LimitKind::kPidsMax, 400), IsOk());
  for (int round = 0; round < 20; ++round) {
    Child forker([] {
      for (int i = 0; i < 400; ++i) {
        const pid_t pid = ::fork();
        if (pid < 0) break;
        if (pid > 0) continue;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // those that were forked before the move are outside and die with it
        while (::getppid() != 1) ::pause();
        ::_exit(0);
      }
      while (true) ::pause();
      return 0;
    });
    ASSERT_THAT(tree().Attach(kWeb, forker.pid()), IsOk());
    std::set<int> anywhere;
    for (const auto& hierarchy : tree().mounts().all()) anywhere.merge(Members(hierarchy));
    EXPECT_THAT(anywhere, Contains(forker.pid()));
    for (const int pid : anywhere) {
      const std::string proc = fmt::format("/proc/{}", pid);
      EXPECT_EQ(WallsOf(proc), tree().mounts().all().size()) << "process " << pid << " in round " << round;
    }
    ASSERT_THAT(tree().Kill(kWeb, kPatience), IsOk());
  }
  EXPECT_EQ(tree().ReadLimits(kAcme)->Number(LimitKind::kPidsMax), 400u);
  EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kPidsMax), std::nullopt);
}

TEST_F(CgroupProcesses, AProcessLeftHalfWayByACrashIsCompletedByTheNextMove) {
  if (!tree().mounts().hybrid()) GTEST_SKIP() << "one hierarchy: a move is one write";
  Child half = Child::Sleeping();
  const CgroupHierarchy& first = tree().mounts().all().front();
  ASSERT_THAT(WriteFileAt(first.top.get(), tree().Relative(kWeb) + "/cgroup.procs", std::to_string(half.pid())),
              IsOk());
  Child other = Child::Sleeping();
  ASSERT_THAT(tree().Attach(kWeb, other.pid()), IsOk());
  for (Child* child : {&half, &other})
    EXPECT_EQ(WallsOf(fmt::format("/proc/{}", child->pid())), tree().mounts().all().size());
}

TEST_F(CgroupProcesses, AProcessLeftHalfWayIsListedKilledAndHoldsItsCgroup) {
  if (!tree().mounts().hybrid()) GTEST_SKIP() << "one hierarchy: a move is one write";
  Child half = Child::Sleeping();
  const CgroupHierarchy& first = tree().mounts().all().front();
  ASSERT_THAT(WriteFileAt(first.top.get(), tree().Relative(kWeb) + "/cgroup.procs", std::to_string(half.pid())),
              IsOk());
  EXPECT_THAT(*tree().Processes(kAcme), ElementsAre(half.pid()));
  EXPECT_EQ(ErrnoOf(tree().Remove(kWeb)), EBUSY);
  ASSERT_THAT(tree().Kill(kWeb, kPatience), IsOk());
  EXPECT_FALSE(half.Alive());
  EXPECT_THAT(tree().Remove(kWeb), IsOk());
}

TEST_F(CgroupProcesses, AMoveThatIsRefusedHalfWayIsUndone) {
  const CgroupHierarchy& cpu = *tree().mounts().Carrier(Controller::kCpu);
  if (cpu.v2 || !ReadFileAt(cpu.top.get(), tree().Relative(kWeb) + "/cpu.rt_runtime_us").ok())
    GTEST_SKIP() << "needs a hierarchy that refuses real-time processes";
  const Gate ready;
  Child child([&] {
    const sched_param priority{.sched_priority = 1};
    if (::sched_setscheduler(0, SCHED_FIFO, &priority) != 0) return 1;
    ready.Open();
    while (true) ::pause();
    return 0;
  });
  ready.Pass();
  const std::string proc = fmt::format("/proc/{}", child.pid());
  const std::string before = *ReadFile(proc + "/cgroup");
  const Status refused = tree().Attach(kWeb, child.pid());  // its cgroup has no real-time budget
  EXPECT_EQ(ErrnoOf(refused), EINVAL);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr("acme/web"), HasSubstr(cpu.mount_point)));
  EXPECT_EQ(*ReadFile(proc + "/cgroup"), before);
  EXPECT_THAT(*tree().Processes(kWeb), IsEmpty());
}

TEST_F(CgroupProcesses, ProcessesOfAThreadedCgroupAreSeen) {
  const int top = tree().mounts().unified().top.get();
  const std::string web = tree().Relative(kWeb);
  Child child = Child::Sleeping();
  if (tree().mounts().unified().controllers.empty()) {
    ASSERT_THAT(WriteFileAt(top, web + "/cgroup.type", "threaded"), IsOk());
    EXPECT_THAT(tree().Attach(kWeb, child.pid()), IsOk());
  } else {  // controllers that cannot count threads are on above the task: only what it makes itself can be threaded
    EXPECT_THAT(tree().Attach(kWeb, child.pid()), IsOk());
    ASSERT_EQ(::mkdirat(top, (web + "/inner").c_str(), 0755), 0);
    ASSERT_THAT(WriteFileAt(top, web + "/inner/cgroup.type", "threaded"), IsOk());
    ASSERT_THAT(WriteFileAt(top, web + "/inner/cgroup.threads", std::to_string(child.pid())), IsOk());
  }
  EXPECT_THAT(*tree().Processes(kWeb), ElementsAre(child.pid()));
  EXPECT_EQ(ErrnoOf(tree().Remove(kWeb)), EBUSY);
  child.End();
  EXPECT_THAT(tree().Remove(kWeb), IsOk());
}

TEST_F(CgroupProcesses, AForkBombIsKilledWhole) {
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 60), IsOk());
  const Gate gate;
  Child bomb([&] {
    gate.Pass();
    ForkBomb();
    return 0;
  });
  ASSERT_THAT(tree().Attach(kWeb, bomb.pid()), IsOk());
  gate.Open();
  ASSERT_TRUE(Eventually([&] { return tree().Processes(kWeb)->size() >= 55; }));
  ASSERT_THAT(tree().Kill(kWeb, kPatience), IsOk());
  EXPECT_FALSE(bomb.Alive());
  EXPECT_THAT(*tree().Processes(kWeb), IsEmpty());
  EXPECT_FALSE(tree().Info(kWeb)->populated);
  EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kPidsMax), 60u);
  EXPECT_THAT(tree().Remove(kWeb), IsOk());
}

TEST_F(CgroupProcesses, AForkBombOutsideCgroup2IsKilledWhole) {
  if (!tree().mounts().hybrid()) GTEST_SKIP() << "one hierarchy: nothing is outside it";
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 60), IsOk());
  const Gate gate;
  Child bomb([&] {
    gate.Pass();
    ForkBomb();
    return 0;
  });
  const CgroupHierarchy& pids = *tree().mounts().Carrier(Controller::kPids);
  ASSERT_THAT(WriteFileAt(pids.top.get(), tree().Relative(kWeb) + "/cgroup.procs", std::to_string(bomb.pid())), IsOk());
  gate.Open();
  ASSERT_TRUE(Eventually([&] { return tree().Processes(kWeb)->size() >= 55; }));
  ASSERT_THAT(tree().Kill(kWeb, kPatience), IsOk());
  EXPECT_THAT(*tree().Processes(kWeb), IsEmpty());
  EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kPidsMax), 60u);
}

TEST_F(CgroupProcesses, AFightingForkBombIsMovedWhole) {
  if (!tree().mounts().hybrid()) GTEST_SKIP() << "one hierarchy: a move is one write";
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 60), IsOk());
  const Gate gate;
  Child bomb([&] {
    gate.Pass();
    ForkBomb();
    return 0;
  });
  const CgroupHierarchy& pids = *tree().mounts().Carrier(Controller::kPids);
  ASSERT_THAT(WriteFileAt(pids.top.get(), tree().Relative(kWeb) + "/cgroup.procs", std::to_string(bomb.pid())), IsOk());
  gate.Open();
  ASSERT_TRUE(Eventually([&] { return tree().Processes(kWeb)->size() >= 40; }));
  ASSERT_THAT(tree().Attach(kWeb, bomb.pid()), IsOk());
  std::set<int> anywhere;
  for (const auto& hierarchy : tree().mounts().all()) anywhere.merge(Members(hierarchy));
  EXPECT_GE(anywhere.size(), 40u);
  for (const int pid : anywhere) EXPECT_EQ(WallsOf(fmt::format("/proc/{}", pid)), tree().mounts().all().size()) << pid;
  EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kPidsMax), 60u);
  ASSERT_THAT(tree().Kill(kWeb, kPatience), IsOk());
}

// Runs on in its child for ever: no pid of it lives long enough to be moved.
[[noreturn]] void Comet() {
  while (true) {
    if (::fork() > 0) ::_exit(0);
  }
}

TEST_F(CgroupProcesses, ProcessesThatFleeIntoTheirChildrenAreMovedWhole) {
  if (!tree().mounts().hybrid()) GTEST_SKIP() << "one hierarchy: a move is one write";
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 64), IsOk());
  const Gate gate;
  std::vector<Child> comets;
  const CgroupHierarchy& pids = *tree().mounts().Carrier(Controller::kPids);
  for (int i = 0; i < 8; ++i) {
    comets.emplace_back([&] {
      gate.Pass();
      Comet();
      return 0;
    });
    ASSERT_THAT(WriteFileAt(pids.top.get(), tree().Relative(kWeb) + "/cgroup.procs",
                            std::to_string(comets[static_cast<size_t>(i)].pid())),
                IsOk());
  }
  gate.Open();
  ASSERT_TRUE(Eventually([&] { return !comets[7].Alive(); }));  // it flew on
  Child other = Child::Sleeping();
  ASSERT_THAT(tree().Attach(kWeb, other.pid()), IsOk());
  // They are all in cgroup2 now, and so is whatever they fork from here on: the kill that sees only cgroup2 ends them.
  const int top = tree().mounts().unified().top.get();
  ASSERT_THAT(WriteFileAt(top, tree().Relative(kWeb) + "/cgroup.kill", "1"), IsOk());
  EXPECT_TRUE(Eventually([&] { return tree().Processes(kWeb)->empty(); }));
  EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kPidsMax), 64u);
}

TEST_F(CgroupProcesses, OneselfIsNeverMoved) {
  EXPECT_THAT(tree().Attach(kWeb, ::getpid()), StatusIs(StatusCode::kInvalidArgument, HasSubstr("acme/web")));
}

}  // namespace
}  // namespace bulkhead::test
