// What every CgroupTree does, the kernel's and the fake: tests of the engine are worth what this suite is worth.
#include "agent/kernel/cgroup_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include <gmock/gmock.h>

#include "tests/kernel/scratch_tree.h"
#include "tests/support/fake_cgroup_tree.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const CgroupPath kTop{""};
const CgroupPath kAcme{"acme"};
const CgroupPath kWeb{"acme/web"};
const CgroupPath kDb{"acme/db"};
constexpr std::chrono::seconds kPatience{20};

// A tree and the world around it.
class World {
 public:
  virtual ~World() = default;
  virtual CgroupTree& tree() = 0;
  virtual int Spawn() = 0;  // a process outside the tree
  virtual bool Alive(int pid) = 0;
  virtual void MakeInside(const CgroupPath& path, const std::string& child) = 0;
  virtual void RemoveBehind(const CgroupPath& path) = 0;  // somebody else removes an empty cgroup
};

class FakeWorld final : public World {
 public:
  CgroupTree& tree() override { return tree_; }
  int Spawn() override { return tree_.AddProcessElsewhere(); }
  bool Alive(int pid) override { return tree_.WhereIs(pid) != "dead"; }
  void MakeInside(const CgroupPath& path, const std::string& child) override { tree_.MakeInside(path, child); }
  void RemoveBehind(const CgroupPath& path) override { tree_.RemoveBehind(path); }

 private:
  FakeCgroupTree tree_;
};

class RealWorld final : public World {
 public:
  explicit RealWorld(std::unique_ptr<ScratchTree> scratch) : scratch_(std::move(scratch)) {}
  CgroupTree& tree() override { return scratch_->tree(); }
  int Spawn() override { return children_.emplace_back(Child::Sleeping()).pid(); }
  bool Alive(int pid) override {
    return std::any_of(children_.begin(), children_.end(),
                       [pid](Child& child) { return child.pid() == pid && child.Alive(); });
  }
  void MakeInside(const CgroupPath& path, const std::string& child) override {
    for (const CgroupHierarchy& hierarchy : scratch_->tree().mounts().all())
      ASSERT_EQ(::mkdirat(hierarchy.top.get(), (scratch_->tree().Relative(path) + "/" + child).c_str(), 0755), 0);
  }
  void RemoveBehind(const CgroupPath& path) override {
    for (const CgroupHierarchy& hierarchy : scratch_->tree().mounts().all())
      ASSERT_EQ(::unlinkat(hierarchy.top.get(), scratch_->tree().Relative(path).c_str(), AT_REMOVEDIR), 0);
  }

 private:
  std::unique_ptr<ScratchTree> scratch_;
  std::vector<Child> children_;
};

enum class Kind { kFake, kReal };

class CgroupTreeContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kFake) {
      world_ = std::make_unique<FakeWorld>();
      return;
    }
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto scratch = ScratchTree::Create();
    ASSERT_THAT(scratch, IsOk());
    world_ = std::make_unique<RealWorld>(*std::move(scratch));
  }
  CgroupTree& tree() { return world_->tree(); }
  void CreateWeb() {
    ASSERT_THAT(tree().Create(kAcme), IsOk());
    ASSERT_THAT(tree().Create(kWeb), IsOk());
  }
  int SpawnIn(const CgroupPath& path) {
    const int pid = world_->Spawn();
    EXPECT_THAT(tree().Attach(path, pid), IsOk());
    return pid;
  }
  std::unique_ptr<World> world_;
};

TEST_P(CgroupTreeContract, WhatIsCreatedIsListedAndHasAnIdOfItsOwn) {
  EXPECT_THAT(*tree().List(), IsEmpty());
  CreateWeb();
  ASSERT_THAT(tree().Create(kDb), IsOk());
  EXPECT_THAT(*tree().List(), UnorderedElementsAre(kAcme, kWeb, kDb));

  const uint64_t ids[] = {tree().Root()->id, tree().Info(kAcme)->id, tree().Info(kWeb)->id, tree().Info(kDb)->id};
  for (size_t i = 0; i < std::size(ids); ++i) {
    EXPECT_NE(ids[i], 0u);
    for (size_t j = 0; j < i; ++j) EXPECT_NE(ids[i], ids[j]);
  }
  EXPECT_FALSE(tree().Info(kWeb)->populated);
}

TEST_P(CgroupTreeContract, CreatingAgainChangesNothing) {
  CreateWeb();
  const uint64_t id = tree().Info(kWeb)->id;
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 7), IsOk());
  EXPECT_THAT(tree().Create(kTop), IsOk());
  EXPECT_THAT(tree().Create(kAcme), IsOk());
  EXPECT_THAT(tree().Create(kWeb), IsOk());
  EXPECT_EQ(tree().Info(kWeb)->id, id);
  EXPECT_EQ(tree().ReadLimits(kWeb)->pids_max, 7u);
}

TEST_P(CgroupTreeContract, ATaskNeedsItsTenant) {
  EXPECT_THAT(tree().Create(kWeb), StatusIs(StatusCode::kNotFound, HasSubstr("acme")));
  EXPECT_THAT(*tree().List(), IsEmpty());
}

TEST_P(CgroupTreeContract, AnUnknownCgroupIsNotFoundByEveryCall) {
  ASSERT_THAT(tree().Create(kAcme), IsOk());
  const auto not_found = StatusIs(StatusCode::kNotFound, HasSubstr("acme/web"));
  EXPECT_THAT(tree().Info(kWeb), not_found);
  EXPECT_THAT(tree().ReadLimits(kWeb), not_found);
  EXPECT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 7), not_found);
  EXPECT_THAT(tree().Attach(kWeb, world_->Spawn()), not_found);
  EXPECT_THAT(tree().Processes(kWeb), not_found);
  EXPECT_THAT(tree().Kill(kWeb, kPatience), not_found);
  EXPECT_THAT(tree().Remove(kWeb), IsOk());  // what is gone is removed
}

TEST_P(CgroupTreeContract, NamesThatClimbOutOfTheTreeAreRefused) {
  ASSERT_THAT(tree().Create(kAcme), IsOk());
  for (const char* name :
       {"..", "acme/..", "acme/../../x", "/acme", "acme/", "acme//web", "acme/web/inner", "Acme", "."})
    EXPECT_THAT(tree().Create(CgroupPath{name}), StatusIs(StatusCode::kInvalidArgument, ::testing::_)) << name;
  EXPECT_THAT(*tree().List(), ElementsAre(kAcme));
}

TEST_P(CgroupTreeContract, AFreshCgroupHasNoLimits) {
  CreateWeb();
  EXPECT_EQ(*tree().ReadLimits(kAcme), Limits{});
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{});
}

TEST_P(CgroupTreeContract, LimitsAreHeldAndLifted) {
  CreateWeb();
  const Limits limits{.cpu_max_usec = 50'000, .cpu_weight = 300, .memory_max_bytes = 64u << 20, .pids_max = 20};
  for (const CgroupPath& path : {kAcme, kWeb}) {
    for (const LimitKind kind : kAllLimits) {
      ASSERT_EQ(tree().Unsupported(kind), "");
      auto held = tree().SetLimit(path, kind, limits.Get(kind));
      ASSERT_THAT(held, IsOk());
      EXPECT_EQ(*held, limits.Get(kind));
    }
    EXPECT_EQ(*tree().ReadLimits(path), limits);
  }
  for (const LimitKind kind : kAllLimits) EXPECT_EQ(*tree().SetLimit(kWeb, kind, std::nullopt), std::nullopt);
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{});
  EXPECT_EQ(*tree().ReadLimits(kAcme), limits);
}

TEST_P(CgroupTreeContract, LimitsGoUpAndDownAgain) {
  CreateWeb();
  for (const uint64_t mib : {64, 512, 16, 1024, 8}) {
    EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kMemoryMax, mib << 20), mib << 20);
    EXPECT_EQ(tree().ReadLimits(kWeb)->memory_max_bytes, mib << 20);
  }
  for (const uint64_t usec : {1'000, 400'000, 20'000, 1'000'000'000})
    EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kCpuMax, usec), usec);
}

TEST_P(CgroupTreeContract, EffectiveSaysWhatIsReadBack) {
  CreateWeb();
  const std::pair<LimitKind, std::optional<uint64_t>> values[] = {
      {LimitKind::kCpuMax, 1'000},         {LimitKind::kCpuMax, 123'457},
      {LimitKind::kMemoryMax, 50'000'000}, {LimitKind::kMemoryMax, (1ULL << 60) - 1},
      {LimitKind::kMemoryMax, ~0ULL >> 1}, {LimitKind::kPidsMax, 4'194'304},
      {LimitKind::kPidsMax, std::nullopt}};
  for (const auto& [kind, value] : values) {
    auto held = tree().SetLimit(kWeb, kind, value);
    ASSERT_THAT(held, IsOk()) << LimitName(kind);
    EXPECT_EQ(*held, tree().Effective(kind, value)) << LimitName(kind);
    EXPECT_EQ(tree().ReadLimits(kWeb)->Get(kind), *held) << LimitName(kind);
  }
  EXPECT_EQ(tree().Effective(LimitKind::kMemoryMax, 50'000'000), 49'999'872u);  // 4 KiB pages
  for (uint64_t weight = 1; weight <= 10'000; weight += weight < 200 ? 1 : 97) {
    auto held = tree().SetLimit(kWeb, LimitKind::kCpuWeight, weight);
    ASSERT_THAT(held, IsOk()) << weight;
    ASSERT_EQ(*held, tree().Effective(LimitKind::kCpuWeight, weight));
    ASSERT_EQ(held->value_or(kDefaultCpuWeight), weight);
  }
}

TEST_P(CgroupTreeContract, ValuesTheKernelDoesNotTakeAreErrorsThatNameCgroupAndErrno) {
  CreateWeb();
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kCpuMax, 50'000), IsOk());
  const struct {
    LimitKind kind;
    uint64_t value;
    int error;
  } bad[] = {{LimitKind::kCpuMax, 999, EINVAL},
             {LimitKind::kCpuMax, 0, EINVAL},
             {LimitKind::kCpuWeight, 0, ERANGE},
             {LimitKind::kCpuWeight, 10'001, ERANGE},
             {LimitKind::kPidsMax, 4'194'305, EINVAL}};
  for (const auto& [kind, value, error] : bad) {
    const Status status = tree().SetLimit(kWeb, kind, value).status();
    EXPECT_THAT(status, StatusIs(StatusCode::kInvalidArgument, HasSubstr("acme/web"))) << LimitName(kind) << value;
    EXPECT_EQ(ErrnoOf(status), error) << LimitName(kind) << " " << value;
  }
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{.cpu_max_usec = 50'000});
}

TEST_P(CgroupTreeContract, AttachedProcessesLiveInTheTaskAndShowAtEveryLevel) {
  CreateWeb();
  const int one = SpawnIn(kWeb);
  const int two = SpawnIn(kWeb);
  EXPECT_THAT(*tree().Processes(kWeb), UnorderedElementsAre(one, two));
  EXPECT_THAT(*tree().Processes(kAcme), UnorderedElementsAre(one, two));
  EXPECT_TRUE(tree().Info(kWeb)->populated);
  EXPECT_TRUE(tree().Info(kAcme)->populated);
  EXPECT_TRUE(tree().Root()->populated);

  ASSERT_THAT(tree().Create(kDb), IsOk());
  ASSERT_THAT(tree().Attach(kDb, two), IsOk());
  EXPECT_THAT(tree().Attach(kDb, two), IsOk());  // again
  EXPECT_THAT(*tree().Processes(kWeb), ElementsAre(one));
  EXPECT_THAT(*tree().Processes(kDb), ElementsAre(two));
}

TEST_P(CgroupTreeContract, OnlyTasksHoldProcesses) {
  CreateWeb();
  const int pid = world_->Spawn();
  for (const CgroupPath& path : {kTop, kAcme}) EXPECT_EQ(ErrnoOf(tree().Attach(path, pid)), EBUSY);
  EXPECT_THAT(*tree().Processes(kTop), IsEmpty());
}

TEST_P(CgroupTreeContract, AttachingWhatIsNoProcessOfATenantIsRefused) {
  CreateWeb();
  for (const int pid : {-1, 0, 1}) EXPECT_EQ(tree().Attach(kWeb, pid).code(), StatusCode::kInvalidArgument) << pid;
  EXPECT_THAT(tree().Attach(kWeb, 0x3fffffff), StatusIs(StatusCode::kNotFound, HasSubstr("acme/web")));
  EXPECT_THAT(*tree().Processes(kWeb), IsEmpty());
}

TEST_P(CgroupTreeContract, KillEndsEverythingBelowAndNothingElse) {
  CreateWeb();
  ASSERT_THAT(tree().Create(kDb), IsOk());
  const int one = SpawnIn(kWeb);
  const int two = SpawnIn(kWeb);
  const int neighbour = SpawnIn(kDb);
  const int outside = world_->Spawn();

  ASSERT_THAT(tree().Kill(kWeb, kPatience), IsOk());
  EXPECT_FALSE(world_->Alive(one));
  EXPECT_FALSE(world_->Alive(two));
  EXPECT_TRUE(world_->Alive(neighbour));
  EXPECT_TRUE(world_->Alive(outside));
  EXPECT_FALSE(tree().Info(kWeb)->populated);
  EXPECT_THAT(*tree().Processes(kWeb), IsEmpty());

  ASSERT_THAT(tree().Kill(kAcme, kPatience), IsOk());
  EXPECT_FALSE(world_->Alive(neighbour));
  EXPECT_THAT(tree().Kill(kAcme, kPatience), IsOk());  // nothing left to kill
}

TEST_P(CgroupTreeContract, ACgroupWithProcessesIsNotRemoved) {
  CreateWeb();
  const int pid = SpawnIn(kWeb);
  for (const CgroupPath& path : {kWeb, kAcme}) EXPECT_EQ(ErrnoOf(tree().Remove(path)), EBUSY);
  EXPECT_TRUE(world_->Alive(pid));
  EXPECT_THAT(*tree().List(), UnorderedElementsAre(kAcme, kWeb));

  ASSERT_THAT(tree().Kill(kWeb, kPatience), IsOk());
  EXPECT_THAT(tree().Remove(kWeb), IsOk());
  EXPECT_THAT(*tree().List(), ElementsAre(kAcme));
}

TEST_P(CgroupTreeContract, CgroupsInsideATaskAreNotListedAndGoWithIt) {
  CreateWeb();
  world_->MakeInside(kWeb, "inner");
  world_->MakeInside(kWeb, "inner/most");
  world_->MakeInside(kWeb, "Other.scope");
  EXPECT_THAT(*tree().List(), UnorderedElementsAre(kAcme, kWeb));
  ASSERT_THAT(tree().Remove(kWeb), IsOk());
  EXPECT_THAT(*tree().List(), ElementsAre(kAcme));
  ASSERT_THAT(tree().Create(kWeb), IsOk());
  EXPECT_FALSE(tree().Info(kWeb)->populated);
}

TEST_P(CgroupTreeContract, RemovingATenantTakesItsTasks) {
  CreateWeb();
  ASSERT_THAT(tree().Create(kDb), IsOk());
  ASSERT_THAT(tree().Remove(kAcme), IsOk());
  EXPECT_THAT(*tree().List(), IsEmpty());
}

TEST_P(CgroupTreeContract, ANameUsedAgainIsAnotherCgroupWithoutLimits) {
  CreateWeb();
  const uint64_t before = tree().Info(kWeb)->id;
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 7), IsOk());
  ASSERT_THAT(tree().Remove(kWeb), IsOk());
  ASSERT_THAT(tree().Create(kWeb), IsOk());
  EXPECT_NE(tree().Info(kWeb)->id, before);
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{});
}

TEST_P(CgroupTreeContract, ACgroupReplacedBehindItsBackIsSeenAsTheNewOne) {
  CreateWeb();
  ASSERT_THAT(tree().SetLimit(kWeb, LimitKind::kPidsMax, 7), IsOk());
  world_->RemoveBehind(kWeb);
  EXPECT_THAT(tree().ReadLimits(kWeb), StatusIs(StatusCode::kNotFound, HasSubstr("acme/web")));
  ASSERT_THAT(tree().Create(kWeb), IsOk());
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{});
  EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kPidsMax, 9), 9u);
  EXPECT_EQ(tree().ReadLimits(kWeb)->pids_max, 9u);
}

TEST_P(CgroupTreeContract, ARemovedTopIsMadeAnew) {
  CreateWeb();
  const uint64_t before = tree().Root()->id;
  world_->RemoveBehind(kWeb);
  world_->RemoveBehind(kAcme);
  world_->RemoveBehind(kTop);
  EXPECT_EQ(tree().Root().status().code(), StatusCode::kNotFound);
  EXPECT_EQ(tree().Create(kAcme).code(), StatusCode::kNotFound);
  ASSERT_THAT(tree().Create(kTop), IsOk());
  EXPECT_NE(tree().Root()->id, before);
  CreateWeb();
  EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kPidsMax, 9), 9u);
}

INSTANTIATE_TEST_SUITE_P(, CgroupTreeContract, ::testing::Values(Kind::kFake, Kind::kReal),
                         [](const auto& instance) { return instance.param == Kind::kFake ? "Fake" : "Real"; });

}  // namespace
}  // namespace bulkhead::test
