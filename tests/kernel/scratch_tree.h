// A LibcgroupTree on a root of its own, and processes to put into it. Everything is killed and removed in the end;
// what a crashed test left behind is removed by the next one.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "agent/kernel/libcgroup_tree.h"
#include "agent/model/disk_id.h"

namespace bulkhead::test {

class ScratchTree {
 public:
  // PermissionDenied when this is not root; FailedPrecondition without cgroup2.
  static Result<std::unique_ptr<ScratchTree>> Create();
  ~ScratchTree();
  ScratchTree(const ScratchTree&) = delete;
  ScratchTree& operator=(const ScratchTree&) = delete;

  LibcgroupTree& tree() { return *tree_; }
  const std::string& root() const { return root_; }  // relative to every hierarchy's top
  // The directory of a cgroup in the hierarchy that has the controller, or in cgroup2.
  std::string Dir(Controller controller, const std::string& path) const;
  std::string UnifiedDir(const std::string& path) const;

 private:
  ScratchTree(std::string root, std::unique_ptr<LibcgroupTree> tree) : root_(std::move(root)), tree_(std::move(tree)) {}
  std::string root_;
  std::unique_ptr<LibcgroupTree> tree_;
};

// A whole disk of this host.
Result<DiskId> AnyDisk();

// A forked process that runs `body` and then exits with what it returned. Killed and reaped in the end.
class Child {
 public:
  explicit Child(const std::function<int()>& body);
  ~Child();
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&&) = delete;
  pid_t pid() const { return pid_; }
  bool Alive();  // not yet dead; a zombie counts as dead
  int Wait();    // exit code, or 128 + signal
  void End();    // SIGKILL, and reaped

  static Child Sleeping();

 private:
  pid_t pid_;
};

// A pipe: one side waits until the other says go. For children that start their work only after they were moved.
class Gate {
 public:
  Gate();
  void Open() const;  // everyone who waits or will wait goes on
  void Pass() const;  // waits

 private:
  UniqueFd read_;
  UniqueFd write_;
};

// Looks every few milliseconds until the condition holds; false after 20 s.
bool Eventually(const std::function<bool()>& condition);

}  // namespace bulkhead::test
