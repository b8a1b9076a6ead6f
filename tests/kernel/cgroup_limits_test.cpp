// The walls hold real programs, and the meter shows it.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include <gmock/gmock.h>

#include "agent/kernel/cgroup_meter.h"
#include "tests/kernel/scratch_tree.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

const CgroupPath kAcme{"acme"};
const CgroupPath kWeb{"acme/web"};
const CgroupPath kDb{"acme/db"};

class CgroupLimits : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto scratch = ScratchTree::Create();
    ASSERT_THAT(scratch, IsOk());
    scratch_ = *std::move(scratch);
    for (const CgroupPath& path : {kAcme, kWeb, kDb}) ASSERT_THAT(tree().Create(path), IsOk());
  }
  LibcgroupTree& tree() { return scratch_->tree(); }
  UsageReading Read(const CgroupPath& path) {
    auto meter = CgroupMeter::Open(tree(), path);
    EXPECT_THAT(meter, IsOk());
    auto reading = meter->Read(clock_.Boot());
    EXPECT_THAT(reading, IsOk());
    return *reading;
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
  std::unique_ptr<ScratchTree> scratch_;
  SystemClock clock_;
};

// Forks sleepers until the kernel refuses; how many it got.
int ForkUntilRefused() {
  for (int made = 0; made < 100; ++made) {
    const pid_t pid = ::fork();
    if (pid < 0) return errno == EAGAIN ? made : 101;
    if (pid == 0) {
      while (true) ::pause();
    }
  }
  return 100;
}

TEST_F(CgroupLimits, PidsMaxStopsForksAndIsCounted) {
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 5), IsOk());
  Child forker = RunIn(kWeb, ForkUntilRefused);
  EXPECT_EQ(forker.Wait(), 4);  // and itself
  const UsageReading reading = Read(kWeb);
  EXPECT_GE(reading.pids_failures, 1u);
  EXPECT_GE(reading.pids, 4u);
  EXPECT_THAT(tree().Kill(kWeb, std::chrono::seconds(20)), IsOk());
}

TEST_F(CgroupLimits, ATenantsPidsMaxHoldsOverAllItsTasks) {
  ASSERT_THAT(tree().SetLimit(kAcme, LimitKind::kPidsMax, 6), IsOk());
  Child first = RunIn(kWeb, [] {
    for (int i = 0; i < 3; ++i) {
      if (::fork() == 0) {
        while (true) ::pause();
      }
    }
    return 0;
  });
  EXPECT_EQ(first.Wait(), 0);  // three sleepers are left in web
  Child second = RunIn(kDb, ForkUntilRefused);
  EXPECT_EQ(second.Wait(), 2);
  EXPECT_THAT(tree().Kill(kAcme, std::chrono::seconds(20)), IsOk());
}

TEST_F(CgroupLimits, AMemoryHogIsKilledAloneAndCounted) {
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kMemoryMax, 8u << 20), IsOk());
  Child neighbour = RunIn(kDb, [] {
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
  EXPECT_TRUE(neighbour.Alive());
  const UsageReading reading = Read(kWeb);
  EXPECT_EQ(reading.oom_kills, 1u);
  EXPECT_LE(reading.memory_peak_bytes, 8u << 20);
  EXPECT_GT(reading.memory_peak_bytes, 4u << 20);
  EXPECT_EQ(Read(kDb).oom_kills, 0u);
}

TEST_F(CgroupLimits, ASpinnerIsThrottledToItsQuotaAndItShows) {
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kCpuMax, 10'000), IsOk());  // a tenth of a CPU
  const BootTime begin = clock_.Boot();
  Child spinner = RunIn(kWeb, [] {
    volatile uint64_t turns = 0;
    while (turns < UINT64_MAX) turns = turns + 1;
    return 0;
  });
  ASSERT_TRUE(Eventually([&] { return Read(kWeb).throttled_periods >= 5; }));
  const UsageReading reading = Read(kWeb);
  EXPECT_GT(reading.throttled_ns, 0u);
  EXPECT_GT(reading.cpu_ns, 0u);
  // The kernel's own bound: a quota per period begun, and a slice of slack per CPU. A busy machine only lowers it.
  const auto periods = (reading.at - begin) / std::chrono::microseconds(kCpuPeriodUsec) + 2;
  EXPECT_LE(reading.cpu_ns, static_cast<uint64_t>(periods) * 2 * 10'000'000);
  // The tenant is charged with what its task used.
  EXPECT_GE(Read(kAcme).cpu_ns, reading.cpu_ns);
}

TEST_F(CgroupLimits, LoweringMemoryBelowUseTellsWhatTheKernelSaid) {
  if (tree().mounts().Carrier(Controller::kMemory)->v2) GTEST_SKIP() << "v2 kills instead of refusing";
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kMemoryMax, 64u << 20), IsOk());
  const Gate ready;
  Child holder = RunIn(kWeb, [&] {
    constexpr size_t kBytes = 16u << 20;
    auto* memory = static_cast<volatile char*>(
        ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
    if (::mlock(const_cast<char*>(memory), kBytes) != 0) return 1;
    ready.Open();
    while (true) ::pause();
    return 0;
  });
  ready.Pass();
  const Status refused = tree().SetLimit(kWeb, LimitKind::kMemoryMax, 1u << 20).status();
  EXPECT_EQ(ErrnoOf(refused), EBUSY);
  EXPECT_THAT(Message(refused),
              ::testing::AllOf(::testing::HasSubstr("acme/web"), ::testing::HasSubstr("memory.limit_in_bytes")));
  EXPECT_TRUE(holder.Alive());
  EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kMemoryMax), 64u << 20);
}

TEST_F(CgroupLimits, AMeterOfARemovedCgroupReadsNothingEvenWhenTheNameIsUsedAgain) {
  auto meter = CgroupMeter::Open(tree(), kWeb);
  ASSERT_THAT(meter, IsOk());
  EXPECT_THAT(meter->Read(clock_.Boot()), IsOk());
  ASSERT_THAT(tree().Remove(kWeb), IsOk());
  EXPECT_EQ(meter->Read(clock_.Boot()).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(CgroupMeter::Open(tree(), kWeb).status().code(), StatusCode::kNotFound);
  ASSERT_THAT(tree().Create(kWeb), IsOk());
  EXPECT_EQ(meter->Read(clock_.Boot()).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace bulkhead::test
