#include "agent/engine/state_store.h"

#include <sys/resource.h>
#include <csignal>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "tests/support/fake_node.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const SpecCodec kCodec{EncodeSpec, DecodeSpec};

// A disk that takes nothing more, for this process.
class FullDisk {
 public:
  FullDisk() {
    (void)::getrlimit(RLIMIT_FSIZE, &before_);
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit none{0, before_.rlim_max};
    (void)::setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FullDisk() {
    (void)::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit before_{};
  void (*old_handler_)(int) = SIG_DFL;
};

TEST(StateStore, GivesBackWhatWasPut) {
  TempDir dir;
  const TaskSpec task = Task("acme", "web").Label("app", "web").MemoryMax(64_MiB).Addr("10.0.0.1");
  const PolicySpec policy = Policy("acme", "p").Egress({Allow({Cidr("10.0.0.0/8", {"10.9.0.0/16"})}, {"tcp/80"})});
  {
    BULKHEAD_TEST_ASSIGN(const auto store, StateStore::Open(dir / "s.db", kCodec));
    ASSERT_THAT(store->Commit({{{"tenant", "acme"}, TenantSpec{.id = {"acme"}}},
                               {{"task", "acme/web"}, task, "uid-1", true},
                               {{"policy", "acme/p"}, policy}}),
                IsOk());
  }
  BULKHEAD_TEST_ASSIGN(const auto store, StateStore::Open(dir / "s.db", kCodec));
  BULKHEAD_TEST_ASSIGN(auto loaded, store->Load());
  EXPECT_TRUE((loaded.desired.tasks.at({"acme", "web"}) == task));
  EXPECT_TRUE((loaded.desired.policies.at({"acme", "p"}) == policy));
  EXPECT_EQ(loaded.task_uids.at({"acme", "web"}), "uid-1");
  EXPECT_THAT(loaded.removing, ::testing::ElementsAre(ObjectKey{"task", "acme/web"}));
  ASSERT_THAT(store->Commit({{{"task", "acme/web"}, std::nullopt}}), IsOk());
  BULKHEAD_TEST_ASSIGN(loaded, store->Load());
  EXPECT_THAT(loaded.desired.tasks, IsEmpty());
}

TEST(StateStore, NewerSchemaIsSetAsideNotRead) {
  TempDir dir;
  {
    BULKHEAD_TEST_ASSIGN(const auto database, Database::Open(dir / "s.db"));
    ASSERT_THAT(database->SetSchemaVersion(99), IsOk());
  }
  EXPECT_THAT(StateStore::Open(dir / "s.db", kCodec), StatusIs(StatusCode::kDataLoss, HasSubstr("schema 99")));
  std::string set_aside;
  ASSERT_THAT(StateStore::OpenOrSetAside(dir / "s.db", kCodec, set_aside), IsOk());
  EXPECT_TRUE(std::filesystem::exists(set_aside));
}

TEST(StateStore, RowThatCannotBeReadIsCorruption) {
  TempDir dir;
  {
    BULKHEAD_TEST_ASSIGN(const auto store, StateStore::Open(dir / "s.db", kCodec));
    BULKHEAD_TEST_ASSIGN(const auto database, Database::Open(dir / "s.db"));
    ASSERT_THAT(database->Execute("INSERT INTO objects VALUES ('tenant', 'acme', x'ffffff', '', 0)"), IsOk());
    EXPECT_THAT(store->Load(), StatusIs(StatusCode::kDataLoss, HasSubstr("tenant acme")));
  }
  std::string set_aside;
  BULKHEAD_TEST_ASSIGN(const auto store, StateStore::OpenOrSetAside(dir / "s.db", kCodec, set_aside));
  EXPECT_THAT(set_aside, HasSubstr("s.db.corrupt-"));
  EXPECT_EQ(store->set_aside(), set_aside);
}

TEST(StateStore, TaskWithoutItsTenantIsCorruption) {
  TempDir dir;
  BULKHEAD_TEST_ASSIGN(const auto store, StateStore::Open(dir / "s.db", kCodec));
  const TaskSpec task = Task("acme", "web");
  ASSERT_THAT(store->Commit({{{"task", "acme/web"}, task, "u"}}), IsOk());
  EXPECT_THAT(store->Load(), StatusIs(StatusCode::kDataLoss, HasSubstr("acme/web")));
}

TEST(StateStore, DirectoryThatIsNotThereIsAClearError) {
  EXPECT_THAT(StateStore::Open("/nonexistent/bulkhead/s.db", kCodec),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("/nonexistent/bulkhead/s.db")));
}

TEST(FullDiskAtApply, IsSaidBeforeAnythingHasChanged) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply({Tenant("acme"), Task("acme", "web").PidsMax(5)}, {}), IsOk());
  const Observed kernel = node.Kernel();
  const DesiredState desired = node.engine->desired();
  {
    FullDisk full;
    const auto results = node.engine->Apply({Task("acme", "web").PidsMax(9)}, {});
    ASSERT_FALSE(results.ok());
    EXPECT_THAT(Message(results.status()), HasSubstr("save state"));
    EXPECT_THAT(node.engine->Delete("task", "acme/web"), ::testing::Not(IsOk()));
  }
  EXPECT_TRUE(node.Kernel() == kernel);
  EXPECT_TRUE(node.engine->desired() == desired);
  EXPECT_EQ(node.engine->StateOf(TaskId{"acme", "web"}).enforcement, Enforcement::kEnforced);
  EXPECT_THAT(node.engine->Apply({Task("acme", "web").PidsMax(9)}, {}), IsOk());
}

// The kernel refused, and the refusal cannot be written down: the node says so until it can.
TEST(FullDiskAfterApply, IsTriedAgainAtEveryTick) {
  FakeNode node;
  ASSERT_THAT(node.engine->Apply({Tenant("acme"), Task("acme", "web").PidsMax(5)}, {}), IsOk());
  std::optional<FullDisk> full;
  (void)node.tree.AddProcess({"acme/web"});
  node.engine = std::make_unique<Engine>(node.Parts(), node.baseline, [&](const LiveTask&) {
    full.emplace();
    return Ok();
  });
  ASSERT_THAT(node.engine->Recover(), IsOk());
  ASSERT_THAT(node.engine->Delete("task", "acme/web"), IsOk()) << "the last sample is where the disk fills up";
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kDegraded);
  EXPECT_THAT(node.engine->NodeState().reasons, ::testing::Contains(HasSubstr("save state")));
  full.reset();
  node.engine->Reconcile();
  EXPECT_EQ(node.engine->NodeState().enforcement, Enforcement::kEnforced);
  node.Start();
  EXPECT_THAT(node.engine->desired().tasks, IsEmpty());
}

}  // namespace
}  // namespace bulkhead::test
