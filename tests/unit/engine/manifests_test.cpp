#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const ObjectKey kWeb{"task", "acme/web"};
const ApplyOptions kManifests{.manifests = true};

std::vector<ObjectSpec> Shop() { return {Tenant("acme"), Task("acme", "web"), Task("acme", "db")}; }
std::vector<ObjectSpec> ShopWithoutWeb() { return {Tenant("acme"), Task("acme", "db")}; }

void LoseWeb(FakeNode& node) {
  ASSERT_THAT(node.engine->Apply(Shop(), kManifests), IsOk());
  ASSERT_THAT(node.engine->Apply(ShopWithoutWeb(), kManifests), IsOk());
}

TEST(Manifests, AnObjectWhoseDocumentIsGoneStaysAndIsToldOnce) {
  FakeNode node;
  LoseWeb(node);
  const int pid = node.tree.AddProcess({"acme/web"});
  ASSERT_THAT(node.engine->Apply(ShopWithoutWeb(), kManifests), IsOk());
  EXPECT_THAT(node.engine->LeftOver(), ElementsAre(kWeb));
  EXPECT_THAT(node.EventsOf("left_over"), ElementsAre(HasSubstr("bulkheadctl delete task acme/web")));
  EXPECT_EQ(node.tree.WhereIs(pid), "acme/web");
  EXPECT_EQ(node.engine->StateOf(TaskId{"acme", "web"}).enforcement, Enforcement::kEnforced);
}

TEST(Manifests, OnlyWhatTheFolderNamedIsEverLeftOver) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), {}), IsOk());  // by a client
  ASSERT_THAT(node.engine->Apply({}, kManifests), IsOk());
  EXPECT_THAT(node.engine->LeftOver(), IsEmpty());
}

TEST(Manifests, LeftOverSurvivesARestart) {
  FakeNode node;
  LoseWeb(node);
  node.Start();
  EXPECT_THAT(node.engine->LeftOver(), ElementsAre(kWeb));
  ASSERT_THAT(node.engine->Apply(ShopWithoutWeb(), kManifests), IsOk());  // as the agent does after its start
  EXPECT_THAT(node.engine->LeftOver(), ElementsAre(kWeb));
  EXPECT_THAT(node.EventsOf("left_over"), IsEmpty()) << "told by the agent of before";
}

TEST(Manifests, ADocumentThatWentWhileNoAgentRanIsTold) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), kManifests), IsOk());
  node.Start();
  ASSERT_THAT(node.engine->Apply(ShopWithoutWeb(), kManifests), IsOk());
  EXPECT_THAT(node.EventsOf("left_over"), ElementsAre(HasSubstr("acme/web")));
}

TEST(Manifests, DeletingNamingOrTakingOverEndsIt) {
  {
    FakeNode node;
    LoseWeb(node);
    ASSERT_THAT(node.engine->Delete("task", "acme/web"), IsOk());
    EXPECT_THAT(node.engine->LeftOver(), IsEmpty());
    ASSERT_THAT(node.engine->Apply({Task("acme", "web")}, {}), IsOk());  // another one of that name
    EXPECT_THAT(node.engine->LeftOver(), IsEmpty());
  }
  {
    FakeNode node;
    LoseWeb(node);
    ASSERT_THAT(node.engine->Apply(Shop(), kManifests), IsOk());
    EXPECT_THAT(node.engine->LeftOver(), IsEmpty());
    ASSERT_THAT(node.engine->Apply(ShopWithoutWeb(), kManifests), IsOk());
    EXPECT_THAT(node.engine->LeftOver(), ElementsAre(kWeb));
  }
  {
    FakeNode node;
    LoseWeb(node);
    ASSERT_THAT(node.engine->Apply({Task("acme", "web").PidsMax(5)}, {}), IsOk());  // by a client
    EXPECT_THAT(node.engine->LeftOver(), IsEmpty());
    node.Start();
    EXPECT_THAT(node.engine->LeftOver(), IsEmpty());
  }
}

TEST(Manifests, WhatAClientChangedIsStillTheFolders) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), kManifests), IsOk());
  ASSERT_THAT(node.engine->Apply({Task("acme", "web").PidsMax(5)}, {}), IsOk());
  ASSERT_THAT(node.engine->Apply(ShopWithoutWeb(), kManifests), IsOk());
  EXPECT_THAT(node.engine->LeftOver(), ElementsAre(kWeb));
}

TEST(Manifests, ABadSetChangesNothing) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply(Shop(), kManifests), IsOk());
  EXPECT_THAT(node.engine->Apply({Task("nobody", "web")}, kManifests),
              StatusIs(StatusCode::kNotFound, HasSubstr("nobody")));
  EXPECT_THAT(node.engine->LeftOver(), IsEmpty());
}

}  // namespace
}  // namespace bulkhead::test
