// What every CgroupTree does, the kernel's and the fake: tests of the engine are worth what this suite is worth.
#include <cerrno>

#include <gmock/gmock.h>

#include "tests/contract/tree_world.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

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
  EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kPidsMax), 7u);
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
  EXPECT_EQ(tree().ReadLimits(kWeb)->Number(LimitKind::kPidsMax), 9u);
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

INSTANTIATE_TEST_SUITE_P(, CgroupTreeContract, ::testing::ValuesIn(kKinds),
                         [](const auto& instance) { return Name(instance.param); });

}  // namespace
}  // namespace bulkhead::test
