#include "agent/kernel/libcgroup_tree.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/kernel/libcgroup.h"
#include "agent/kernel/tree_paths.h"

namespace bulkhead {
namespace {

constexpr char kTenantsUnit[] = "bulkhead-tenants.service";
constexpr char kDelegated[] = "bulkhead.slice/bulkhead-tenants.service";
constexpr char kHolder[] = "holder";  // the child of the delegated cgroup that keeps its unit alive
constexpr char kDefaultRoot[] = "bulkhead";
constexpr mode_t kDirectoryMode = 0755;  // whatever the umask: tenants' users may look at their own limits

// A quarter of what this process may have.
size_t HeldDescriptors() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur / 4 : 0;
}

Status CheckRoot(const std::string& root) {
  const auto bad = [&](const char* why) {
    return InvalidArgument(
        fmt::format("cgroup.root \"{}\": {}; use \"auto\" or a name such as \"bulkhead\"", root, why));
  };
  if (root.empty()) return bad("empty");
  if (root.front() == '/') return bad("must be relative to the hierarchies' tops");
  if (root.back() == '/') return bad("ends in a slash");
  std::istringstream in(root);
  for (std::string part; std::getline(in, part, '/');) {
    if (part.empty() || part == "." || part == "..") return bad("must name a cgroup below the hierarchies' tops");
    if (part.size() > 255) return bad("a name of more than 255 bytes");
    const bool plain = std::all_of(part.begin(), part.end(), [](unsigned char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
             c == '-' || c == ':' || c == '@' || c == '\\';
    });
    if (!plain) return bad("has a character that is not a letter, a digit or one of .-_:@\\");
  }
  return Ok();
}

// True when it was made; an existing directory is left as it is.
Result<bool> MakeDirectory(const CgroupHierarchy& hierarchy, const std::string& cgroup) {
  if (::mkdirat(hierarchy.top.get(), cgroup.c_str(), kDirectoryMode) == 0) return true;
  if (errno == EEXIST) return false;
  return Errno(errno, fmt::format("make cgroup in {}", hierarchy.mount_point));
}

Status OpenToReaders(const CgroupHierarchy& hierarchy, const std::string& cgroup) {
  struct stat info {};
  if (::fstatat(hierarchy.top.get(), cgroup.c_str(), &info, 0) != 0)
    return Errno(errno, fmt::format("stat cgroup in {}", hierarchy.mount_point));
  if ((info.st_mode & 07777) == kDirectoryMode) return Ok();
  if (::fchmodat(hierarchy.top.get(), cgroup.c_str(), kDirectoryMode, 0) != 0)
    return Errno(errno, fmt::format("chmod cgroup in {}", hierarchy.mount_point));
  return Ok();
}

// "a", "a/b", "a/b/c"
std::vector<std::string> Prefixes(const std::string& cgroup) {
  std::vector<std::string> prefixes;
  for (size_t at = cgroup.find('/'); at != std::string::npos; at = cgroup.find('/', at + 1))
    prefixes.push_back(cgroup.substr(0, at));
  prefixes.push_back(cgroup);
  return prefixes;
}

Status RemoveChildren(int dir_fd, int depth) {
  if (depth > 256) return FailedPrecondition("cgroups are nested too deep");
  BULKHEAD_ASSIGN(const std::vector<std::string> names, Subdirectories(dir_fd));
  for (const std::string& name : names) {
    auto child = OpenAt(dir_fd, name, O_RDONLY | O_DIRECTORY);
    if (!child.ok() && ErrnoOf(child.status()) == ENOENT) continue;
    BULKHEAD_RETURN_IF_ERROR(child.status());
    BULKHEAD_RETURN_IF_ERROR(RemoveChildren(child->get(), depth + 1));
    if (::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      return Errno(errno, fmt::format("remove cgroup {}", name));
  }
  return Ok();
}

}  // namespace

LibcgroupTree::LibcgroupTree(std::unique_ptr<CgroupMounts> mounts, std::string root)
    : mounts_(std::move(mounts)),
      root_(std::move(root)),
      delegated_(root_.substr(root_.rfind('/') + 1) == kTenantsUnit),
      limits_(*mounts_, root_, host_, HeldDescriptors()),
      processes_(*mounts_) {}

Result<std::unique_ptr<LibcgroupTree>> LibcgroupTree::Create(const std::string& root) {
  BULKHEAD_RETURN_IF_ERROR(CheckRoot(root));
  BULKHEAD_ASSIGN(CgroupMounts found, CgroupMounts::Discover());
  BULKHEAD_RETURN_IF_ERROR(InitLibcgroup());
  std::string name = root;
  if (root == "auto") name = IsDirectory(found.unified(), kDelegated) ? kDelegated : kDefaultRoot;
  std::unique_ptr<LibcgroupTree> tree(new LibcgroupTree(std::make_unique<CgroupMounts>(std::move(found)), name));
  BULKHEAD_RETURN_IF_ERROR(tree->Create(CgroupPath{}));
  BULKHEAD_RETURN_IF_ERROR(tree->LookAtHost());
  BULKHEAD_ASSIGN(const std::vector<CgroupPath> found_there, tree->List());
  for (const CgroupPath& path : found_there) (void)tree->Create(path);  // what this cannot complete, its use will name
  return tree;
}

std::string LibcgroupTree::Relative(const CgroupPath& path) const {
  return path.value.empty() ? root_ : root_ + "/" + path.value;
}

std::string LibcgroupTree::root_path() const { return mounts_->unified().mount_point + "/" + root_; }

std::string LibcgroupTree::root_cgroup() const {
  const std::string& mounted = mounts_->unified().mount_root;
  return (mounted == "/" ? "" : mounted) + "/" + root_;
}

Result<UniqueFd> LibcgroupTree::OpenRoot() const {
  return OpenAt(mounts_->unified().top.get(), root_, O_RDONLY | O_DIRECTORY);
}

uint32_t LibcgroupTree::depth() const {
  const std::string full = root_cgroup();
  uint32_t levels = 0;
  for (size_t i = 0; i < full.size(); ++i) levels += full[i] == '/' && i + 1 < full.size() && full[i + 1] != '/';
  return levels;
}

Status LibcgroupTree::CheckName(const CgroupPath& path) const {
  if (path.value.empty()) return Ok();
  const size_t slash = path.value.find('/');
  const std::string tenant = path.value.substr(0, slash);
  BULKHEAD_RETURN_IF_ERROR(ValidateName(tenant, "cgroup"));
  if (slash != std::string::npos) BULKHEAD_RETURN_IF_ERROR(ValidateName(path.value.substr(slash + 1), "cgroup"));
  if (delegated_ && tenant == kHolder)
    return FailedPrecondition("the name \"holder\" is taken by bulkhead-tenants.service");
  return Ok();
}

Result<CgroupInfo> LibcgroupTree::Root() {
  if (delegated_) BULKHEAD_RETURN_IF_ERROR(CheckDelegated());
  return Info(CgroupPath{});
}

// systemd makes the directory first and starts the holder in it next, which then makes way for tenants: until it has, a
// controller that is enabled would keep systemd from starting it (no process beside enabled controllers), for good.
// Without a holder, long after, controllers are still enabled.
Status LibcgroupTree::CheckDelegated() const {
  if (IsDirectory(mounts_->unified(), root_ + "/" + kHolder)) return Ok();
  auto enabled = ReadFileAt(mounts_->unified().top.get(), root_ + "/cgroup.subtree_control");
  if (enabled.ok() && !Trim(*enabled).empty()) return Ok();
  return Errno(ENOENT, fmt::format("{} has not set up its cgroup {}", kTenantsUnit, root_));
}

Result<CgroupInfo> LibcgroupTree::Info(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(CheckName(path));
  auto dir = OpenAt(mounts_->unified().top.get(), Relative(path), O_RDONLY | O_DIRECTORY);
  if (!dir.ok()) return Annotate(dir.status(), Show(path));
  struct stat info {};
  if (::fstat(dir->get(), &info) != 0) return Errno(errno, fmt::format("{}: stat", Show(path)));
  auto events = ReadFileAt(dir->get(), "cgroup.events");
  // Removed between the two calls.
  if (ErrnoOf(events.status()) == ENODEV) return Errno(ENOENT, fmt::format("{}: cgroup.events", Show(path)));
  if (!events.ok()) return Annotate(events.status(), Show(path));
  return CgroupInfo{.id = info.st_ino, .populated = StatField(*events, "populated") == 1};
}

Result<std::vector<CgroupPath>> LibcgroupTree::List() {
  std::vector<CgroupPath> paths;
  const int top = mounts_->unified().top.get();
  BULKHEAD_ASSIGN(const UniqueFd root, OpenAt(top, root_, O_RDONLY | O_DIRECTORY));
  BULKHEAD_ASSIGN(const std::vector<std::string> tenants, Subdirectories(root.get()));
  for (const std::string& tenant : tenants) {
    if (!CheckName(CgroupPath{tenant}).ok()) continue;  // not ours: no name of ours looks so
    auto dir = OpenAt(root.get(), tenant, O_RDONLY | O_DIRECTORY);
    if (ErrnoOf(dir.status()) == ENOENT) continue;
    BULKHEAD_RETURN_IF_ERROR(dir.status());
    paths.push_back(CgroupPath{tenant});
    BULKHEAD_ASSIGN(const std::vector<std::string> tasks, Subdirectories(dir->get()));
    for (const std::string& task : tasks) {
      if (ValidateName(task, "cgroup").ok()) paths.push_back(CgroupPath{tenant + "/" + task});
    }
  }
  return paths;
}

Status LibcgroupTree::Create(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(CheckName(path));
  return Annotate(CreateAt(path), Show(path));
}

Status LibcgroupTree::CreateAt(const CgroupPath& path) {
  const std::string cgroup = Relative(path);
  if (path.value.empty() && delegated_ && !CheckDelegated().ok())
    return FailedPrecondition(fmt::format("{} has not set up its cgroup {}: waiting for it; see systemctl status {}",
                                          kTenantsUnit, root_, kTenantsUnit));
  if (!IsTask(path)) {
    if (!path.value.empty() && !IsDirectory(mounts_->unified(), root_)) return Errno(ENOENT, "the top cgroup is gone");
    const bool with_libcgroup = path.value.empty() || mounts_->hybrid();
    BULKHEAD_RETURN_IF_ERROR(MakeDirectories(cgroup, with_libcgroup).status());
    if (!path.value.empty()) return EnableControllers(cgroup);
    BULKHEAD_RETURN_IF_ERROR(EnableControllers("."));
    for (const std::string& level : Prefixes(cgroup)) {
      BULKHEAD_RETURN_IF_ERROR(EnableControllers(level));
      BULKHEAD_RETURN_IF_ERROR(OpenCpuset(level));
    }
    return Ok();
  }
  auto completed = MakeDirectories(cgroup, /*with_libcgroup=*/false);
  if (ErrnoOf(completed.status()) == ENOENT && IsDirectory(mounts_->unified(), Parent(cgroup))) {
    // The tenant exists, but not everywhere.
    BULKHEAD_RETURN_IF_ERROR(CreateAt(CgroupPath{Parent(path.value)}));
    completed = MakeDirectories(cgroup, /*with_libcgroup=*/false);
  }
  BULKHEAD_RETURN_IF_ERROR(completed.status());
  return *completed ? processes_.Complete(cgroup) : Ok();  // its processes are not in every hierarchy either
}

// True when it was there in some hierarchies and had to be made in others.
Result<bool> LibcgroupTree::MakeDirectories(const std::string& cgroup, bool with_libcgroup) {
  std::vector<const CgroupHierarchy*> made;
  const auto take_back = [&](const Status& why) {
    for (const CgroupHierarchy* hierarchy : made)
      (void)::unlinkat(hierarchy->top.get(), cgroup.c_str(), AT_REMOVEDIR);  // `why` is what the caller must hear
    return why;
  };
  std::vector<const char*> for_libcgroup;
  const auto& all = mounts_->all();
  for (auto hierarchy = all.rbegin(); hierarchy != all.rend(); ++hierarchy) {  // cgroup2 first
    if (with_libcgroup && !hierarchy->controllers.empty()) {
      if (IsDirectory(*hierarchy, cgroup)) continue;
      for_libcgroup.push_back(ControllerName(hierarchy->controllers.front(), hierarchy->v2));
      made.push_back(&*hierarchy);
      continue;
    }
    const std::vector<std::string> levels = with_libcgroup ? Prefixes(cgroup) : std::vector{cgroup};
    for (const std::string& level : levels) {
      auto is_new = MakeDirectory(*hierarchy, level);
      if (!is_new.ok()) return take_back(is_new.status());
      if (*is_new && level == cgroup) made.push_back(&*hierarchy);
    }
  }
  if (!for_libcgroup.empty()) {
    if (Status status = LibcgroupCreate(cgroup, for_libcgroup); !status.ok()) return take_back(status);
  }
  for (const CgroupHierarchy* hierarchy : made) {
    if (Status status = OpenToReaders(*hierarchy, cgroup); !status.ok()) return take_back(status);
  }
  return !made.empty() && made.size() < all.size();
}

// cgroup v1: what may run nowhere can hold no process, and a new cgroup may run nowhere unless its parent says that it
// starts with a copy of the parent's sets. Children of children inherit that.
Status LibcgroupTree::OpenCpuset(const std::string& cgroup) {
  const CgroupHierarchy* cpuset = mounts_->Carrier(Controller::kCpuset);
  if (cpuset == nullptr || cpuset->v2) return Ok();
  const int top = cpuset->top.get();
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    BULKHEAD_ASSIGN(const std::string own, ReadFileAt(top, cgroup + file));
    if (!Trim(own).empty()) continue;
    const bool below_top = cgroup.find('/') == std::string::npos;
    BULKHEAD_ASSIGN(const std::string above, ReadFileAt(top, (below_top ? "." : Parent(cgroup)) + file));
    BULKHEAD_RETURN_IF_ERROR(Annotate(WriteFileAt(top, cgroup + file, Trim(above)), cpuset->mount_point));
  }
  if (cgroup != root_) return Ok();
  return Annotate(WriteFileAt(top, cgroup + "/cgroup.clone_children", "1"), cpuset->mount_point);
}

// v2: children get the controllers' files only when the parent's subtree_control names them. All in one write, because
// each waits for an RCU grace period; a write that names one unknown controller enables none, so then one by one, which
// finds the one to blame. What the host does not delegate is no error where we can do without: its limits are then
// reported as not enforced.
Status LibcgroupTree::EnableControllers(const std::string& cgroup) {
  const CgroupHierarchy& unified = mounts_->unified();
  if (unified.controllers.empty()) return Ok();
  const std::string file = cgroup + "/cgroup.subtree_control";
  BULKHEAD_ASSIGN(const std::string enabled, ReadFileAt(unified.top.get(), file));
  const std::string words = " " + Trim(enabled) + " ";
  std::vector<std::string> missing;
  bool required = false;
  for (const Controller controller : unified.controllers) {
    const char* name = ControllerName(controller, /*v2=*/true);
    if (words.find(fmt::format(" {} ", name)) != std::string::npos || lacking_.contains(controller)) continue;
    missing.push_back(fmt::format("+{}", name));
    required |= IsRequired(controller);
  }
  if (missing.empty()) return Ok();  // levels above a delegated subtree are ready, and may be read-only for us
  const auto fd = OpenAt(unified.top.get(), file, O_WRONLY);
  if (!fd.ok()) return required ? fd.status() : Ok();
  if (WriteOnce(fd->get(), fmt::format("{}", fmt::join(missing, " "))).ok()) return Ok();
  for (const Controller controller : unified.controllers) {
    const std::string word = fmt::format("+{}", ControllerName(controller, /*v2=*/true));
    if (std::find(missing.begin(), missing.end(), word) == missing.end()) continue;
    const Status written = WriteOnce(fd->get(), word);
    if (written.ok()) continue;
    if (IsRequired(controller)) return Annotate(written, file);
    lacking_.insert(controller);
  }
  return Ok();
}

Status LibcgroupTree::Attach(const CgroupPath& path, int pid) {
  BULKHEAD_RETURN_IF_ERROR(CheckName(path));
  if (pid <= 1 || pid == ::getpid())
    return InvalidArgument(fmt::format("{}: attach process {}: not a process of a tenant", Show(path), pid));
  if (!IsTask(path)) return Errno(EBUSY, fmt::format("{}: attach process {}: not a task's cgroup", Show(path), pid));
  const std::string cgroup = Relative(path);
  for (const CgroupHierarchy& hierarchy : mounts_->all()) {
    if (IsDirectory(hierarchy, cgroup)) continue;
    if (!IsDirectory(mounts_->unified(), cgroup))
      return Errno(ENOENT, fmt::format("{}: attach process {}", Show(path), pid));
    BULKHEAD_RETURN_IF_ERROR(Create(path));
  }
  return Annotate(processes_.Attach(cgroup, pid), fmt::format("{}: attach process {}", Show(path), pid));
}

Result<std::vector<int>> LibcgroupTree::Processes(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(Info(path).status());
  auto pids = processes_.List(Relative(path));
  if (!pids.ok()) return Annotate(pids.status(), Show(path));
  return pids;
}

Status LibcgroupTree::Kill(const CgroupPath& path, std::chrono::milliseconds timeout) {
  BULKHEAD_RETURN_IF_ERROR(CheckName(path));
  return Annotate(processes_.Kill(Relative(path), timeout), Show(path));
}

Status LibcgroupTree::RemoveFrom(const CgroupHierarchy& hierarchy, const std::string& cgroup, bool with_libcgroup) {
  auto dir = OpenAt(hierarchy.top.get(), cgroup, O_RDONLY | O_DIRECTORY);
  if (ErrnoOf(dir.status()) == ENOENT) return Ok();
  BULKHEAD_RETURN_IF_ERROR(dir.status());
  BULKHEAD_RETURN_IF_ERROR(Annotate(RemoveChildren(dir->get(), 0), hierarchy.mount_point));
  if (with_libcgroup && !hierarchy.controllers.empty())
    return LibcgroupDelete(cgroup, ControllerName(hierarchy.controllers.front(), hierarchy.v2));
  if (::unlinkat(hierarchy.top.get(), cgroup.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return Errno(errno, fmt::format("remove cgroup in {}", hierarchy.mount_point));
  return Ok();
}

Status LibcgroupTree::Remove(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(CheckName(path));
  const std::string cgroup = Relative(path);
  auto pids = processes_.List(cgroup);
  if (!pids.ok()) return Annotate(pids.status(), Show(path));
  if (!pids->empty())
    return Errno(EBUSY, fmt::format("{}: remove cgroup with {} live processes", Show(path), pids->size()));
  limits_.Forget(path.value);
  for (const CgroupHierarchy& hierarchy : mounts_->all())  // cgroup2 last
    BULKHEAD_RETURN_IF_ERROR(Annotate(RemoveFrom(hierarchy, cgroup, !IsTask(path)), Show(path)));
  return Ok();
}

}  // namespace bulkhead
