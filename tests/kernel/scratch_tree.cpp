#include "tests/kernel/scratch_tree.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/kernel/disks.h"

namespace bulkhead::test {
namespace {

constexpr char kPrefix[] = "bh-cgroup-";
constexpr std::chrono::seconds kPatience{20};

void RemoveTree(LibcgroupTree& tree) {
  (void)tree.Kill(CgroupPath{}, kPatience);  // the removal says what is still there
  if (const Status status = tree.Remove(CgroupPath{}); !status.ok())
    fmt::print(stderr, "cgroups of a test are left behind: {}\n", Message(status));
}

// Roots of tests whose process is gone.
void RemoveStale(const CgroupMounts& mounts) {
  std::set<std::string> roots;
  for (const CgroupHierarchy& hierarchy : mounts.all()) {
    auto names = Subdirectories(hierarchy.top.get());
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      if (!name.starts_with(kPrefix)) continue;
      const int pid = std::atoi(name.c_str() + sizeof(kPrefix) - 1);
      if (pid > 0 && ::kill(pid, 0) != 0) roots.insert(name);
    }
  }
  for (const std::string& root : roots) {
    auto tree = LibcgroupTree::Create(root);
    if (tree.ok()) RemoveTree(**tree);
  }
}

}  // namespace

Result<std::unique_ptr<ScratchTree>> ScratchTree::Create() {
  if (::geteuid() != 0) return PermissionDenied("needs root to make cgroups");
  BULKHEAD_ASSIGN(const CgroupMounts mounts, CgroupMounts::Discover());
  RemoveStale(mounts);
  static int count = 0;
  std::string root = fmt::format("{}{}-{}", kPrefix, ::getpid(), ++count);
  BULKHEAD_ASSIGN(std::unique_ptr<LibcgroupTree> tree, LibcgroupTree::Create(root));
  return std::unique_ptr<ScratchTree>(new ScratchTree(std::move(root), std::move(tree)));
}

ScratchTree::~ScratchTree() {
  if (tree_->Root().ok()) RemoveTree(*tree_);
}

std::string ScratchTree::Dir(Controller controller, const std::string& path) const {
  return tree_->mounts().Carrier(controller)->mount_point + "/" + tree_->Relative(CgroupPath{path});
}

std::string ScratchTree::UnifiedDir(const std::string& path) const {
  return tree_->mounts().unified().mount_point + "/" + tree_->Relative(CgroupPath{path});
}

Result<DiskId> AnyDisk() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/block", error)) {
    const auto disk = DiskUnder("/dev/" + entry.path().filename().string());
    if (disk.ok()) return disk;
  }
  return NotFound("this host has no disk");
}

Child::Child(const std::function<int()>& body) : pid_(::fork()) {
  if (pid_ == 0) ::_exit(body());
}

Child::~Child() { End(); }

void Child::End() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  (void)Wait();
}

bool Child::Alive() {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

int Child::Wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Child Child::Sleeping() {
  return Child([] {
    while (true) ::pause();
    return 0;
  });
}

Gate::Gate() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  read_.reset(ends[0]);
  write_.reset(ends[1]);
}

void Gate::Open() const { (void)!::write(write_.get(), "go", 2); }

void Gate::Pass() const {
  pollfd wait{.fd = read_.get(), .events = POLLIN, .revents = 0};
  (void)::poll(&wait, 1, -1);
}

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    (void)::poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace bulkhead::test
