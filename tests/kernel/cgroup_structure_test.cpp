// Cgroups in several hierarchies: made whole, completed when half, gone without a trace.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include <gmock/gmock.h>

#include "agent/base/file_io.h"
#include "tests/kernel/scratch_tree.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const CgroupPath kAcme{"acme"};
const CgroupPath kWeb{"acme/web"};

class CgroupStructure : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto scratch = ScratchTree::Create();
    ASSERT_THAT(scratch, IsOk());
    scratch_ = *std::move(scratch);
  }
  LibcgroupTree& tree() { return scratch_->tree(); }
  // Hierarchies in which the cgroup is there.
  size_t Places(const CgroupPath& path) {
    size_t places = 0;
    for (const auto& hierarchy : tree().mounts().all())
      places += std::filesystem::exists(hierarchy.mount_point + "/" + tree().Relative(path)) ? 1 : 0;
    return places;
  }
  size_t Everywhere() { return tree().mounts().all().size(); }
  std::unique_ptr<ScratchTree> scratch_;
};

TEST_F(CgroupStructure, ACgroupIsMadeInEveryHierarchyAndGoesFromEach) {
  ASSERT_THAT(tree().Create(kAcme), IsOk());
  ASSERT_THAT(tree().Create(kWeb), IsOk());
  EXPECT_EQ(Places(kAcme), Everywhere());
  EXPECT_EQ(Places(kWeb), Everywhere());
  ASSERT_THAT(tree().Remove(kWeb), IsOk());
  EXPECT_EQ(Places(kWeb), 0u);
  ASSERT_THAT(tree().Remove(CgroupPath{}), IsOk());
  EXPECT_EQ(Places(CgroupPath{}), 0u);
}

TEST_F(CgroupStructure, ARestrictiveUmaskDoesNotHideLimitsFromReaders) {
  const mode_t before = ::umask(0077);
  const Status tenant = tree().Create(kAcme);
  const Status task = tree().Create(kWeb);
  ::umask(before);
  ASSERT_THAT(tenant, IsOk());
  ASSERT_THAT(task, IsOk());
  for (const auto& hierarchy : tree().mounts().all()) {
    for (const CgroupPath& path : {kAcme, kWeb}) {
      struct stat info {};
      ASSERT_EQ(::fstatat(hierarchy.top.get(), tree().Relative(path).c_str(), &info, 0), 0);
      EXPECT_EQ(info.st_mode & 07777, 0755u) << hierarchy.mount_point << " " << path.value;
    }
  }
}

TEST_F(CgroupStructure, TheIdIsTheInodeThatBpfSees) {
  auto root = tree().OpenRoot();
  ASSERT_THAT(root, IsOk());
  struct stat info {};
  ASSERT_EQ(::fstat(root->get(), &info), 0);
  EXPECT_EQ(tree().Root()->id, info.st_ino);
  EXPECT_EQ(tree().depth(), 1u);
  EXPECT_EQ(tree().root_path(), tree().mounts().unified().mount_point + "/" + scratch_->root());
  EXPECT_STREQ(tree().mode(), Everywhere() > 1 ? "hybrid" : "unified");
}

TEST_F(CgroupStructure, ARootMayLieDeeper) {
  const std::string deeper = scratch_->root() + "/host/tenants";
  auto second = LibcgroupTree::Create(deeper);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ((*second)->depth(), 3u);
  ASSERT_THAT((*second)->Create(kAcme), IsOk());
  ASSERT_THAT((*second)->Create(kWeb), IsOk());
  EXPECT_EQ(*(*second)->SetLimit(kWeb, LimitKind::kPidsMax, 5), 5u);
  for (const auto& hierarchy : tree().mounts().all())
    EXPECT_TRUE(std::filesystem::exists(hierarchy.mount_point + "/" + deeper + "/acme/web"));
}

// While systemd starts the unit anew its cgroup is there before the holder is: a hand laid on it then is one too many.
TEST_F(CgroupStructure, ADelegatedRootIsNotTouchedBeforeItsUnitHasSetItUp) {
  const std::string delegated = scratch_->root() + "/bulkhead-tenants.service";
  const int unified = tree().mounts().unified().top.get();
  const auto refused = [&] {
    const auto refusal = LibcgroupTree::Create(delegated);
    EXPECT_THAT(refusal, StatusIs(StatusCode::kFailedPrecondition, ::testing::HasSubstr("waiting for it")));
  };
  refused();
  EXPECT_NE(::faccessat(unified, delegated.c_str(), F_OK, 0), 0);
  ASSERT_EQ(::mkdirat(unified, delegated.c_str(), 0755), 0);
  refused();
  ASSERT_EQ(::mkdirat(unified, (delegated + "/holder").c_str(), 0755), 0);
  auto second = LibcgroupTree::Create(delegated);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT((*second)->Root(), IsOk());
  ASSERT_EQ(::unlinkat(unified, (delegated + "/holder").c_str(), AT_REMOVEDIR), 0);
  ASSERT_EQ(::unlinkat(unified, delegated.c_str(), AT_REMOVEDIR), 0);
  EXPECT_THAT((*second)->Root(), StatusIs(StatusCode::kNotFound, ::testing::HasSubstr(delegated)));
  ASSERT_EQ(::mkdirat(unified, delegated.c_str(), 0755), 0);
  EXPECT_THAT((*second)->Root(), StatusIs(StatusCode::kNotFound, ::testing::HasSubstr(delegated)));
  EXPECT_THAT((*second)->Create(CgroupPath{}),
              StatusIs(StatusCode::kFailedPrecondition, ::testing::HasSubstr("waiting")));
}

TEST_F(CgroupStructure, WhatACrashLeftHalfMadeIsCompletedByCreate) {
  if (Everywhere() == 1) GTEST_SKIP() << "one hierarchy: nothing is half";
  // cgroup2 is first: the crash came right after it.
  const int unified = tree().mounts().unified().top.get();
  ASSERT_EQ(::mkdirat(unified, tree().Relative(kAcme).c_str(), 0755), 0);
  ASSERT_EQ(::mkdirat(unified, tree().Relative(kWeb).c_str(), 0755), 0);
  EXPECT_THAT(*tree().List(), ElementsAre(kAcme, kWeb));
  EXPECT_EQ(*tree().ReadLimits(kWeb), Limits{});
  ASSERT_THAT(tree().Create(kWeb), IsOk());  // completes its tenant, too
  EXPECT_EQ(Places(kAcme), Everywhere());
  EXPECT_EQ(Places(kWeb), Everywhere());
}

TEST_F(CgroupStructure, WhatACrashLeftHalfMadeIsCompletedByTheNextStart) {
  if (Everywhere() == 1) GTEST_SKIP() << "one hierarchy: nothing is half";
  const int unified = tree().mounts().unified().top.get();
  ASSERT_EQ(::mkdirat(unified, tree().Relative(kAcme).c_str(), 0755), 0);
  ASSERT_EQ(::mkdirat(unified, tree().Relative(kWeb).c_str(), 0755), 0);
  ASSERT_THAT(LibcgroupTree::Create(tree().Relative({})), IsOk());
  EXPECT_EQ(Places(kAcme), Everywhere());
  EXPECT_EQ(Places(kWeb), Everywhere());
}

TEST_F(CgroupStructure, WhatACrashLeftHalfMadeIsCompletedByALimitOrAMove) {
  if (Everywhere() == 1) GTEST_SKIP() << "one hierarchy: nothing is half";
  const int unified = tree().mounts().unified().top.get();
  ASSERT_EQ(::mkdirat(unified, tree().Relative(kAcme).c_str(), 0755), 0);
  ASSERT_EQ(::mkdirat(unified, tree().Relative(kWeb).c_str(), 0755), 0);
  EXPECT_EQ(*tree().SetLimit(kWeb, LimitKind::kMemoryMax, 1u << 20), 1u << 20);
  EXPECT_EQ(Places(kWeb), Everywhere());

  const CgroupPath db{"acme/db"};
  ASSERT_EQ(::mkdirat(unified, tree().Relative(db).c_str(), 0755), 0);
  Child child = Child::Sleeping();
  ASSERT_THAT(tree().Attach(db, child.pid()), IsOk());
  EXPECT_EQ(Places(db), Everywhere());
}

TEST_F(CgroupStructure, ACreationThatFailsLeavesNothing) {
  ASSERT_THAT(tree().Create(kAcme), IsOk());
  // The kernel's own fuse: no further cgroup below acme in cgroup2.
  const int unified = tree().mounts().unified().top.get();
  ASSERT_THAT(WriteFileAt(unified, tree().Relative(kAcme) + "/cgroup.max.descendants", "0"), IsOk());
  const Status refused = tree().Create(kWeb);
  EXPECT_EQ(ErrnoOf(refused), EAGAIN);
  EXPECT_THAT(Message(refused), ::testing::HasSubstr("acme/web"));
  EXPECT_EQ(Places(kWeb), 0u);
  EXPECT_THAT(*tree().List(), ElementsAre(kAcme));
}

TEST_F(CgroupStructure, NamesThatClimbReachNoHierarchy) {
  const std::string escaped = scratch_->root() + "-escaped";
  EXPECT_EQ(tree().Create(CgroupPath{"../" + escaped}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(tree().Create(CgroupPath{"acme/../../" + escaped}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(tree().Remove(CgroupPath{".."}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(tree().Kill(CgroupPath{".."}, std::chrono::seconds(1)).code(), StatusCode::kInvalidArgument);
  for (const auto& hierarchy : tree().mounts().all())
    EXPECT_FALSE(std::filesystem::exists(hierarchy.mount_point + "/" + escaped));
  EXPECT_THAT(*tree().List(), IsEmpty());
}

TEST_F(CgroupStructure, AForeignPeriodIsPutRight) {
  const CgroupHierarchy& cpu = *tree().mounts().Carrier(Controller::kCpu);
  if (cpu.v2) GTEST_SKIP() << "v2 writes quota and period together";
  ASSERT_THAT(tree().Create(kAcme), IsOk());
  const std::string dir = tree().Relative(kAcme);
  ASSERT_THAT(WriteFileAt(cpu.top.get(), dir + "/cpu.cfs_period_us", "50000"), IsOk());
  ASSERT_THAT(WriteFileAt(cpu.top.get(), dir + "/cpu.cfs_quota_us", "10000"), IsOk());
  EXPECT_EQ(tree().ReadLimits(kAcme)->Number(LimitKind::kCpuMax), 20'000u);
  EXPECT_EQ(*tree().SetLimit(kAcme, LimitKind::kCpuMax, 30'000), 30'000u);
  EXPECT_EQ(*ReadFileAt(cpu.top.get(), dir + "/cpu.cfs_period_us"), "100000\n");
}

TEST_F(CgroupStructure, SwapIsNoWayAroundTheMemoryWall) {
  const CgroupHierarchy& memory = *tree().mounts().Carrier(Controller::kMemory);
  ASSERT_THAT(tree().Create(kAcme), IsOk());
  const std::string file = tree().Relative(kAcme) + "/memory.memsw.limit_in_bytes";
  if (memory.v2 || !ReadFileAt(memory.top.get(), file).ok()) GTEST_SKIP() << "this kernel has no memory.memsw";
  for (const uint64_t mib : {64, 8, 128}) {
    ASSERT_THAT(tree().SetLimit(kAcme, LimitKind::kMemoryMax, mib << 20), IsOk());
    EXPECT_EQ(*ReadFileAt(memory.top.get(), file), std::to_string(mib << 20) + "\n");
  }
  // Somebody opens the hole: it shows as a limit that differs, and is closed by setting that limit.
  ASSERT_THAT(WriteFileAt(memory.top.get(), file, "-1"), IsOk());
  EXPECT_EQ(tree().ReadLimits(kAcme)->Number(LimitKind::kSwapMax), std::nullopt);
  EXPECT_EQ(tree().Effective(kAcme, {{LimitKind::kMemoryMax, 128u << 20}}, {}).Number(LimitKind::kSwapMax), 0u);
  EXPECT_EQ(tree().SetLimit(kAcme, LimitKind::kSwapMax, uint64_t{0})->value().number(), 0u);
  EXPECT_EQ(*ReadFileAt(memory.top.get(), file), std::to_string(128u << 20) + "\n");
}

}  // namespace
}  // namespace bulkhead::test
