// What the suites for CgroupTree run on: the kernel's tree, and the fake as either kind of host.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agent/kernel/cgroup_tree.h"
#include "tests/kernel/scratch_tree.h"
#include "tests/support/fake_cgroup_tree.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {

inline const CgroupPath kTop{""};
inline const CgroupPath kAcme{"acme"};
inline const CgroupPath kWeb{"acme/web"};
inline const CgroupPath kDb{"acme/db"};
inline constexpr std::chrono::seconds kPatience{20};

// A tree and the world around it.
class World {
 public:
  virtual ~World() = default;
  virtual CgroupTree& tree() = 0;
  virtual int Spawn() = 0;  // a process outside the tree
  virtual bool Alive(int pid) = 0;
  virtual void MakeInside(const CgroupPath& path, const std::string& child) = 0;
  virtual void RemoveBehind(const CgroupPath& path) = 0;  // somebody else removes an empty cgroup
  virtual DiskId Disk() = 0;                              // one that there is
};

class FakeWorld final : public World {
 public:
  explicit FakeWorld(const LimitHost& host) : tree_(nullptr, host) {}
  CgroupTree& tree() override { return tree_; }
  int Spawn() override { return tree_.AddProcessElsewhere(); }
  bool Alive(int pid) override { return tree_.WhereIs(pid) != "dead"; }
  void MakeInside(const CgroupPath& path, const std::string& child) override { tree_.MakeInside(path, child); }
  void RemoveBehind(const CgroupPath& path) override { tree_.RemoveBehind(path); }
  DiskId Disk() override { return {8, 0}; }

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
  DiskId Disk() override {
    const auto disk = AnyDisk();
    EXPECT_THAT(disk, IsOk());
    return disk.ok() ? *disk : DiskId{};
  }

 private:
  std::unique_ptr<ScratchTree> scratch_;
  std::vector<Child> children_;
};

enum class Kind { kUnifiedFake, kHybridFake, kReal };
inline constexpr Kind kKinds[] = {Kind::kUnifiedFake, Kind::kHybridFake, Kind::kReal};
inline std::string Name(Kind kind) {
  return kind == Kind::kReal ? "Real" : kind == Kind::kHybridFake ? "HybridFake" : "Fake";
}

class CgroupTreeContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() != Kind::kReal) {
      world_ = std::make_unique<FakeWorld>(GetParam() == Kind::kHybridFake ? FakeCgroupTree::Hybrid()
                                                                           : FakeCgroupTree::Unified());
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

}  // namespace bulkhead::test
