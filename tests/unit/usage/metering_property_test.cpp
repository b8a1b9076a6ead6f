// Whatever happens (growth, restarts, failed readings, counters that start over, removals, a ledger that is locked,
// thinning, late acknowledgements), what a consumer of the ledger ends up with is what the kernel counted.
#include <cerrno>
#include <random>

#include "agent/usage/sampler.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_usage_source.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace bulkhead {
namespace {

using test::IsOk;

struct Truth {
  LiveTask task;
  uint64_t cpu = 0;    // ever counted
  uint64_t bytes = 0;  // ever passed
  double memory = 0;   // byte·seconds between the first and the last reading
  BootTime read_at{};  // zero: never
  double memory_then = 0;
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed), source_(clock_) { Restart(); }

  void Run(int steps) {
    for (int step = 0; step < steps; ++step) {
      switch (Pick(12)) {
        case 0:
          if (live_.size() < 6) Create();
          break;
        case 1:
          if (!live_.empty()) Remove();
          break;
        case 2:
          Tick();
          Restart();
          break;
        case 3:
          Report();
          break;
        case 4:
          StartOver();
          break;
        default:
          Grow();
          Tick();
      }
    }
    clock_.Advance(Sampler::kIdleRecord);
    Tick();
    while (acknowledged_ < ledger_->last_sequence()) Report();
  }

  void Check() const {
    for (const Truth& truth : all_) {
      const auto found = seen_.find(truth.task.uid);
      ASSERT_NE(found, seen_.end()) << truth.task.uid;
      EXPECT_EQ(found->second.totals.counters.cpu_ns, truth.cpu) << truth.task.uid;
      EXPECT_EQ(found->second.totals.counters.network.passed[1][4].bytes, truth.bytes) << truth.task.uid;
      EXPECT_NEAR(static_cast<double>(found->second.totals.memory_byte_seconds), truth.memory, restarts_ + 1.0)
          << truth.task.uid;
    }
    EXPECT_GT(all_.size(), 10u);
    EXPECT_GT(ledger_->thinned_records() + thinned_, 0u);
  }

 private:
  uint64_t Pick(uint64_t below) { return random_() % below; }
  UsageReading& Kernel(const Truth& truth) { return source_.At(PathOf(truth.task.id)); }

  void Create() {
    const uint64_t n = ++made_;
    all_.push_back(Truth{.task = {{"acme", "task-" + std::to_string(n % 9)}, "uid-" + std::to_string(n), n, 1}});
    for (const size_t other : live_)
      if (all_[other].task.id == all_.back().task.id) return all_.pop_back();
    Kernel(all_.back()) = UsageReading{};
    live_.push_back(all_.size() - 1);
    Tick();
  }
  void Remove() {
    const size_t at = Pick(live_.size());
    Truth& truth = all_[live_[at]];
    Grow();
    clock_.Advance(std::chrono::milliseconds(Pick(900)));
    Noted(truth);
    if (Pick(8) == 0) {
      auto other = Database::Open(dir_ / "ledger.db");
      BULKHEAD_TEST_ASSIGN(const Transaction lock, Transaction::Begin(**other));
      ASSERT_FALSE(sampler_->Final(truth.task).ok());
    }
    ASSERT_THAT(sampler_->Final(truth.task), IsOk());
    source_.Vanish(PathOf(truth.task.id));
    live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void Restart() {
    ++restarts_;
    if (ledger_) thinned_ += ledger_->thinned_records();
    sampler_.reset();
    ledger_.reset();
    ledger_ = *Ledger::Open(dir_ / "ledger.db", "boot-1", 6000);
    sampler_ = std::make_unique<Sampler>(source_, *ledger_, clock_, "boot-1");
    ASSERT_THAT(sampler_->Recover(), IsOk());
    clock_.Advance(std::chrono::milliseconds(Pick(20'000)));
    Grow(false);  // while no agent was there
    Tick();
  }
  // Memory between a restart and the idle record before it is interpolated: exact only while it stands still.
  void Grow(bool memory = true) {
    for (const size_t index : live_) {
      if (Pick(3) == 0) continue;  // idle
      Truth& truth = all_[index];
      const uint64_t cpu = 1 + Pick(1'000'000'000);
      const uint64_t bytes = Pick(1'000'000);
      Kernel(truth).cpu_ns += cpu;
      Kernel(truth).network.passed[1][4].bytes += bytes;
      if (memory) Kernel(truth).memory_bytes = Pick(1ULL << 34);
      truth.cpu += cpu;
      truth.bytes += bytes;
    }
  }
  // Between two readings: what the kernel forgets before anybody read it is nobody's to know.
  void StartOver() {
    Tick();
    for (const size_t index : live_) {
      if (Pick(2) == 0) continue;
      Kernel(all_[index]).cpu_ns = 0;
      Kernel(all_[index]).network = {};
    }
    Sample();
    if (Pick(2) == 0) Restart();
  }
  void Tick() {
    clock_.Advance(std::chrono::milliseconds(500 + Pick(1000)));
    if (Pick(10) == 0) clock_.JumpWall(std::chrono::hours(1) * (Pick(2) == 0 ? 1 : -1));
    if (Pick(5) == 0 && !live_.empty()) {
      source_.FailNext("read", EIO);  // of some task; a second round makes up for it
      Sample();
    }
    for (const size_t index : live_) Noted(all_[index]);
    Sample();
  }
  void Sample() {
    std::vector<LiveTask> tasks;
    for (const size_t index : live_) tasks.push_back(all_[index].task);
    ASSERT_THAT(sampler_->Tick(tasks), IsOk());
  }
  // A reading of this task is taken now.
  void Noted(Truth& truth) {
    const auto memory = static_cast<double>(Kernel(truth).memory_bytes);
    const double elapsed = std::chrono::duration<double>(clock_.Boot() - truth.read_at).count();
    if (truth.read_at != BootTime::zero()) truth.memory += (truth.memory_then + memory) / 2 * elapsed;
    truth.read_at = clock_.Boot();
    truth.memory_then = memory;
  }
  void Report() {
    const auto records = ledger_->ReadAfter(acknowledged_, 1 + Pick(40)).value();
    for (const UsageRecord& record : records) {
      ASSERT_GT(record.sequence, acknowledged_);
      acknowledged_ = record.sequence;
      seen_[record.task_uid] = record;
    }
    ASSERT_THAT(ledger_->Acknowledge(acknowledged_), IsOk());
  }

  std::mt19937_64 random_;
  test::TempDir dir_;
  FakeClock clock_;
  FakeUsageSource source_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Sampler> sampler_;
  std::vector<Truth> all_;
  std::vector<size_t> live_;
  std::map<std::string, UsageRecord> seen_;
  uint64_t made_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t thinned_ = 0;
  int restarts_ = 0;
};

class Metering : public ::testing::TestWithParam<unsigned> {};

TEST_P(Metering, EndsWithWhatTheKernelCounted) {
  World world(GetParam());
  world.Run(400);
  world.Check();
}

INSTANTIATE_TEST_SUITE_P(Seeds, Metering, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace bulkhead
