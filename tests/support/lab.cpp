#include "tests/support/lab.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead::test {
namespace {

constexpr unsigned kChildSeconds = 30;  // a hung child dies; nothing waits for ever

void Require(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "lab: {}\n", Message(status));
  std::abort();
}

std::string Cgroup2Mount() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos || line.compare(dash + 3, 8, "cgroup2 ") != 0) continue;
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    fields >> id >> parent >> device >> root >> point;
    if (root == "/") return point;
  }
  return "";
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored))
    if (entry.is_directory()) RemoveTree(entry.path());
  ::rmdir(path.c_str());
}

// Cgroups that a crashed run left: the pid is part of the name.
void Sweep(const std::string& mount) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(mount, ignored)) {
    const std::string name = entry.path().filename();
    if (name.rfind("bh-bpf-", 0) != 0) continue;
    if (::kill(std::atoi(name.c_str() + 7), 0) != 0 && errno == ESRCH) RemoveTree(entry.path());
  }
}

}  // namespace

TaskProcess::~TaskProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

int TaskProcess::Wait() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<std::unique_ptr<Lab>> Lab::Create() {
  if (::geteuid() != 0) return PermissionDenied("needs root");
  const std::string mount = Cgroup2Mount();
  if (mount.empty()) return FailedPrecondition("needs a cgroup2 mount");
  Sweep(mount);
  std::unique_ptr<Lab> lab(new Lab);
  BULKHEAD_ASSIGN(const std::string membership, ReadFile("/proc/self/cgroup"));
  const size_t line = membership.find("0::");
  lab->home_ = mount + Trim(membership.substr(line + 3, membership.find('\n', line) - line - 3));
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return Errno(errno, "make namespaces");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Errno(errno, "make mounts private");
  std::string pattern = (std::filesystem::temp_directory_path() / "bh-bpf-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) return Errno(errno, "make " + pattern);
  lab->temp_ = pattern;
  if (::mount("bpf", pattern.c_str(), "bpf", 0, nullptr) != 0) return Errno(errno, "mount bpf on " + pattern);
  lab->bpffs_ = pattern + "/bulkhead";
  BULKHEAD_ASSIGN(lab->netns_, OpenAt(AT_FDCWD, "/proc/self/ns/net", O_RDONLY));
  lab->Ip(-1, "link set lo up");
  lab->root_ = fmt::format("{}/bh-bpf-{}", mount, ::getpid());
  lab->Make("");
  BULKHEAD_RETURN_IF_ERROR(lab->OpenMaps());
  return lab;
}

Lab::~Lab() {
  Leave();
  maps_.reset();
  if (!temp_.empty()) {
    ::umount2(temp_.c_str(), MNT_DETACH);
    ::rmdir(temp_.c_str());
  }
  if (!root_.empty()) RemoveTree(root_);
}

Status Lab::OpenMaps() {
  BULKHEAD_ASSIGN(maps_, BpfPolicy::Create(root_, bpffs_));
  return Ok();
}

std::vector<uint32_t> Lab::LinkIds() const {
  std::vector<uint32_t> ids;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("{}/v{}/links", bpffs_, POLICY_SCHEMA))) {
    const UniqueFd fd(bpf_obj_get(entry.path().c_str()));
    bpf_link_info info{};
    uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) == 0) ids.push_back(info.id);
  }
  std::ranges::sort(ids);
  return ids;
}

void Lab::DetachBehind(const std::string& program) const {
  const UniqueFd fd(bpf_obj_get(fmt::format("{}/v{}/links/{}", bpffs_, POLICY_SCHEMA, program).c_str()));
  if (bpf_link_detach(fd.get()) != 0) Require(Errno(errno, "detach " + program));
}

uint64_t Lab::Make(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(root_ + "/" + path, error);
  if (error) Require(Errno(error.value(), "make cgroup " + path));
  return IdOf(path);
}

void Lab::RemakeRoot() {
  RemoveTree(root_);
  Make("");
}

uint64_t Lab::IdOf(const std::string& path) const {
  struct stat status {};
  if (::stat((root_ + "/" + path).c_str(), &status) != 0) Require(Errno(errno, "find cgroup " + path));
  return status.st_ino;
}

void Lab::Bind(const std::string& task, const CompiledPolicy& policy) {
  const auto [known, fresh] = policies_.try_emplace(policy.ContentHash(), policies_.size() + 1);
  if (fresh) Require(maps_->InstallPolicy(known->second, policy));
  const auto [slot, first] = slots_.try_emplace(task, slots_.size());
  Make(task);
  TaskBinding binding;
  binding.tenant_cgroup_id = IdOf(task.substr(0, task.find('/')));
  binding.policy_id = known->second;
  binding.slot = slot->second;
  Require(maps_->BindTask(IdOf(task), binding, first));
}

NetworkCounters Lab::Counters(const std::string& task) {
  auto counters = maps_->ReadCounters(SlotOf(task));
  Require(counters.status());
  return *counters;
}

pid_t Lab::Fork(const std::string& cgroup) {
  if (cgroup.empty()) return ::fork();
  const UniqueFd fd(::open((root_ + "/" + cgroup).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(fd.get());
  return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
}

TaskProcess Lab::Start(const std::string& cgroup, const std::function<int()>& body, int netns) {
  ::fflush(nullptr);
  const pid_t pid = Fork(cgroup);
  if (pid < 0) Require(Errno(errno, "start a process in " + cgroup));
  if (pid == 0) {
    ::alarm(kChildSeconds);
    if (netns >= 0 && ::setns(netns, CLONE_NEWNET) != 0) ::_exit(126);
    ::_exit(body());
  }
  return TaskProcess(pid);
}

int Lab::Run(const std::string& cgroup, const std::function<int()>& body, int netns) {
  return Start(cgroup, body, netns).Wait();
}

TaskProcess Lab::Serve(const std::string& cgroup, const std::function<int(const std::function<void()>& ready)>& body,
                       int netns) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) Require(Errno(errno, "make a pipe"));
  UniqueFd here(ends[0]);
  UniqueFd there(ends[1]);
  TaskProcess child = Start(
      cgroup, [&] { return body([&] { (void)!::write(there.get(), "r", 1); }); }, netns);
  there.reset();
  char ready = 0;
  if (::read(here.get(), &ready, 1) != 1) Require(Internal("a server in " + cgroup + " ended before it was ready"));
  return child;
}

void Lab::Enter(const std::string& cgroup) {
  Require(Annotate(WriteFileAt(AT_FDCWD, root_ + "/" + cgroup + "/cgroup.procs", "0"), "enter " + cgroup));
}

void Lab::Leave() {
  if (!home_.empty()) (void)WriteFileAt(AT_FDCWD, home_ + "/cgroup.procs", "0");
}

UniqueFd Lab::MakeNetns() {
  UniqueFd made;
  if (::unshare(CLONE_NEWNET) != 0) Require(Errno(errno, "make a network namespace"));
  made = UniqueFd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  Ip(-1, "link set lo up");
  if (::setns(netns_.get(), CLONE_NEWNET) != 0) Require(Errno(errno, "return to the lab's network namespace"));
  return made;
}

void Lab::Ip(int netns, const std::string& arguments) {
  if (netns >= 0 && ::setns(netns, CLONE_NEWNET) != 0) Require(Errno(errno, "enter a network namespace"));
  const int result = std::system(("ip " + arguments).c_str());
  if (netns >= 0 && ::setns(netns_.get(), CLONE_NEWNET) != 0) Require(Errno(errno, "leave a network namespace"));
  if (result != 0) Require(Internal("ip " + arguments + " failed"));
}

}  // namespace bulkhead::test
