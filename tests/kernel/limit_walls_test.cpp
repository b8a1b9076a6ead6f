// Walls that are not simply a number in a file, measured on programs that lean on them.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>

#include <gmock/gmock.h>

#include "agent/base/file_io.h"
#include "agent/kernel/cgroup_files.h"
#include "agent/kernel/cgroup_meter.h"
#include "agent/plan/limits_plan.h"
#include "tests/kernel/loop_disk.h"
#include "tests/kernel/scratch_tree.h"
#include "tests/support/builders.h"
#include "tests/support/matchers.h"
#include "tests/support/random_limits.h"

namespace bulkhead::test {
namespace {

const CgroupPath kAcme{"acme"};
const CgroupPath kWeb{"acme/web"};
const CgroupPath kDb{"acme/db"};

int Spin() {
  volatile uint64_t turns = 0;
  while (turns < UINT64_MAX) turns = turns + 1;
  return 0;
}

class LimitWalls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto scratch = ScratchTree::Create();
    ASSERT_THAT(scratch, IsOk());
    scratch_ = *std::move(scratch);
    for (const CgroupPath& path : {kAcme, kWeb, kDb}) ASSERT_THAT(tree().Create(path), IsOk());
    // What the machine does besides is no part of what is measured.
    for (const CgroupPath& path : {CgroupPath{}, kAcme}) Set(path, LimitKind::kCpuWeight, 10'000);
  }
  LibcgroupTree& tree() { return scratch_->tree(); }
  bool Has(LimitKind kind) {
    return tree().Supports(kWeb, kind, {{LimitKind::kMemoryMax, 1}}).level != LimitSupport::Level::kNone;
  }
  void Set(const CgroupPath& path, const LimitId& id, const LimitValue& value) {
    ASSERT_THAT(tree().SetLimit(path, id, value), IsOk()) << path.value << " " << ToString(id);
  }
  uint64_t CpuOf(const CgroupPath& path) {
    auto meter = CgroupMeter::Open(tree(), path);
    EXPECT_THAT(meter, IsOk());
    const auto reading = meter->Read(clock_.Boot());
    EXPECT_THAT(reading, IsOk());
    return reading.ok() ? reading->cpu_ns : 0;
  }
  uint64_t StatOf(const CgroupPath& path, const char* field) {
    const auto text = ReadFile(scratch_->Dir(Controller::kCpu, path.value) + "/cpu.stat");
    EXPECT_THAT(text, IsOk());
    return text.ok() ? StatField(*text, field).value_or(0) : 0;
  }
  // A child that runs `body` only once it is in the cgroup.
  Child RunIn(const CgroupPath& path, const std::function<int()>& body) {
    const Gate gate;
    Child child([&] {
      gate.Pass();
      return body();
    });
    const Status moved = tree().Attach(path, child.pid());
    EXPECT_THAT(moved, IsOk());
    if (moved.ok()) gate.Open();
    return child;
  }
  // The part of db in what db and web use together, both spinning on the same CPU.
  double ShareOfDb() {
    for (const CgroupPath& path : {kWeb, kDb}) Set(path, LimitKind::kCpuCpus, test::Set("0"));
    Child web = RunIn(kWeb, Spin), db = RunIn(kDb, Spin);
    EXPECT_TRUE(Eventually([&] { return CpuOf(kWeb) > 20'000'000; }));
    const uint64_t web_before = CpuOf(kWeb), db_before = CpuOf(kDb);
    EXPECT_TRUE(Eventually([&] { return CpuOf(kWeb) + CpuOf(kDb) - web_before - db_before > 1'000'000'000; }));
    const auto web_used = static_cast<double>(CpuOf(kWeb) - web_before);
    const auto db_used = static_cast<double>(CpuOf(kDb) - db_before);
    return db_used / (web_used + db_used);
  }
  std::unique_ptr<ScratchTree> scratch_;
  SystemClock clock_;
};

TEST_F(LimitWalls, ATaskRunsOnItsCpusOnly) {
  if (!Has(LimitKind::kCpuCpus)) GTEST_SKIP() << "no cpuset controller";
  Set(kWeb, LimitKind::kCpuCpus, test::Set("0"));
  Child child = RunIn(kWeb, [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) != 1 || !CPU_ISSET(0, &set)) return 1;
    // It may not help itself to others either.
    CPU_ZERO(&set);
    CPU_SET(1, &set);
    return ::sched_setaffinity(0, sizeof(set), &set) == 0 ? 2 : 0;
  });
  EXPECT_EQ(child.Wait(), 0);
}

TEST_F(LimitWalls, ABusyCpuIsSharedByWeightWithinFivePercent) {
  if (!Has(LimitKind::kCpuCpus)) GTEST_SKIP() << "no cpuset controller";
  Set(kDb, LimitKind::kCpuWeight, 300);
  EXPECT_NEAR(ShareOfDb(), 0.75, 0.75 * 0.05);
}

TEST_F(LimitWalls, AnIdleTaskGetsNextToNothingOfABusyCpu) {
  if (!Has(LimitKind::kCpuCpus) || !Has(LimitKind::kCpuIdle)) GTEST_SKIP() << "no cpuset controller, or no cpu.idle";
  Set(kDb, LimitKind::kCpuIdle, 1);
  EXPECT_LT(ShareOfDb(), 0.03);
}

TEST_F(LimitWalls, WhatWasSavedUpMayBeUsedInABurst) {
  if (!Has(LimitKind::kCpuBurst)) GTEST_SKIP() << "the kernel has no cpu.max.burst";
  Set(kWeb, LimitKind::kCpuMax, 20'000);
  Set(kWeb, LimitKind::kCpuBurst, 20'000);
  Child child = RunIn(kWeb, [] {
    while (true) {
      const clock_t begin = ::clock();
      while (::clock() - begin < CLOCKS_PER_SEC / 33) continue;  // 30 ms of CPU, then some periods of nothing
      ::usleep(350'000);
    }
    return 0;
  });
  EXPECT_TRUE(Eventually([&] { return StatOf(kWeb, "nr_bursts") >= 2; }));
}

TEST_F(LimitWalls, ADiskIsReadAndWrittenAtItsRate) {
  if (!Has(LimitKind::kIoReadBps)) GTEST_SKIP() << "no io controller";
  const auto disk = LoopDisk::Create();
  if (!disk.ok()) GTEST_SKIP() << "no loop device: " << Message(disk.status());
  constexpr uint64_t kRate = 2u << 20;
  constexpr uint64_t kBytes = 6u << 20;
  Set(kWeb, {LimitKind::kIoReadBps, OfDisk((*disk)->id())}, kRate);
  Set(kWeb, {LimitKind::kIoWriteBps, OfDisk((*disk)->id())}, kRate);
  for (const int mode : {O_RDONLY, O_WRONLY}) {
    const auto seconds = [&](const CgroupPath& path) {
      const auto begin = std::chrono::steady_clock::now();
      Child child = RunIn(path, [&] { return (*disk)->Transfer(mode, kBytes) ? 0 : 1; });
      EXPECT_EQ(child.Wait(), 0);
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    // Never faster; a busy machine only makes it slower. 5 %: what the kernel lets through before it counts.
    EXPECT_GE(seconds(kWeb), 0.95 * static_cast<double>(kBytes) / kRate) << mode;
  }
}

TEST_F(LimitWalls, AnOomKillTakesTheGroup) {
  if (!Has(LimitKind::kOomGroup)) GTEST_SKIP() << tree().Supports(kWeb, LimitKind::kOomGroup, {}).why;
  Set(kWeb, LimitKind::kMemoryMax, 16u << 20);
  Set(kWeb, LimitKind::kSwapMax, uint64_t{0});
  Set(kWeb, LimitKind::kOomGroup, 1);
  Child bystander = RunIn(kWeb, [] {
    while (true) ::pause();
    return 0;
  });
  Child hog = RunIn(kWeb, [] {
    constexpr size_t kBytes = 64u << 20;
    auto* memory = static_cast<volatile char*>(
        ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (size_t at = 0; at < kBytes; at += 4096) memory[at] = 1;
    return 0;
  });
  EXPECT_EQ(hog.Wait(), 128 + SIGKILL);
  EXPECT_EQ(bystander.Wait(), 128 + SIGKILL);
}

TEST_F(LimitWalls, MemoryInUseIsWhatTheTasksUse) {
  const Gate ready;
  Child holder = RunIn(kWeb, [&] {
    constexpr size_t kBytes = 24u << 20;
    (void)::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    ready.Open();
    while (true) ::pause();
    return 0;
  });
  ready.Pass();
  for (const CgroupPath& path : {kAcme, kWeb}) {
    const auto in_use = tree().MemoryInUse(path);
    ASSERT_THAT(in_use, IsOk());
    EXPECT_GE(*in_use, 24u << 20);
    EXPECT_LT(*in_use, 40u << 20);
  }
  EXPECT_LT(*tree().MemoryInUse(kDb), 1u << 20);
  EXPECT_EQ(tree().MemoryInUse({"acme/nobody"}).status().code(), StatusCode::kNotFound);
}

// Changes at random on two levels: the kernel takes every step of every plan, and holds what was planned in the end.
class RandomChanges : public LimitWalls {
 protected:
  Limits Fit(const Limits& limits) {
    Limits fit;
    for (const auto& [id, value] : limits) {
      if (tree().Supports(kWeb, id, limits).level == LimitSupport::Level::kNone) continue;
      if (TraitsOf(id.kind).shape != LimitShape::kSet) {
        fit.Set(id, value);
        continue;
      }
      const IndexSet all = id.kind == LimitKind::kCpuCpus ? tree().host().cpus : tree().host().mems;
      if (IndexSet set = value.set().Intersection(all); !set.empty()) fit.Set(id, LimitValue(std::move(set)));
    }
    return fit;
  }
  void Change(const CgroupPath& path, const Limits& asked, const Limits& above, Part part) {
    const Limits effective = tree().Effective(path, asked, above);
    const auto held = tree().ReadLimits(path);
    ASSERT_THAT(held, IsOk());
    for (const SetLimit& step : PlanLimits(path, {effective, *held}, part, tree().Copied()))
      ASSERT_THAT(tree().SetLimit(step.path, step.id, step.value), IsOk()) << ToString(Step(step));
    if (part != Part::kWidening) {
      ASSERT_EQ(*tree().ReadLimits(path), effective) << path.value;
    }
  }
};

TEST_F(RandomChanges, TheKernelTakesEveryStep) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    const Limits tenant = Fit(RandomLimits(random));
    const Limits above = tree().Effective(kAcme, tenant, {});
    ASSERT_NO_FATAL_FAILURE(Change(kAcme, tenant, {}, Part::kWidening));
    for (const CgroupPath& path : {kWeb, kDb})
      ASSERT_NO_FATAL_FAILURE(Change(path, Fit(RandomLimits(random, tenant)), above, Part::kAll));
    ASSERT_NO_FATAL_FAILURE(Change(kAcme, tenant, {}, Part::kNarrowing));
  }
}

}  // namespace
}  // namespace bulkhead::test
