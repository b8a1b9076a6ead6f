#include "agent/kernel/process_mover.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

constexpr int kMaxDepth = 256;      // of cgroups that a task nests inside itself; one descriptor per level
constexpr int kRoundsUnbraked = 8;  // of moving stragglers before forks are refused
constexpr int kRoundsBraked = 64;   // with forks refused each round can only find fewer

using Deadline = std::chrono::steady_clock::time_point;

int RemainingMs(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
}

struct DirCloser {
  void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

bool Vanished(const Status& status) { return ErrnoOf(status) == ENOENT || ErrnoOf(status) == ENODEV; }

// A threaded cgroup has threads only (EOPNOTSUPP for its processes): their ids stand for the processes.
Status CollectOwn(int dir_fd, std::set<int>& pids) {
  auto text = ReadFileAt(dir_fd, "cgroup.procs");
  if (ErrnoOf(text.status()) == EOPNOTSUPP) text = ReadFileAt(dir_fd, "cgroup.threads");
  BULKHEAD_RETURN_IF_ERROR(text.status());
  std::istringstream in(*text);
  for (int pid = 0; in >> pid;) {
    if (pid > 0) pids.insert(pid);  // 0: a process of another pid namespace
  }
  return Ok();
}

Status CollectBelow(int dir_fd, int depth, std::set<int>& pids) {
  if (depth > kMaxDepth) return FailedPrecondition("cgroups are nested too deep");
  BULKHEAD_RETURN_IF_ERROR(CollectOwn(dir_fd, pids));
  BULKHEAD_ASSIGN(const std::vector<std::string> names, Subdirectories(dir_fd));
  for (const std::string& name : names) {
    auto child = OpenAt(dir_fd, name, O_RDONLY | O_DIRECTORY);
    const Status status = child.ok() ? CollectBelow(child->get(), depth + 1, pids) : child.status();
    if (!status.ok() && !Vanished(status)) return status;
  }
  return Ok();
}

Result<std::set<int>> Members(const CgroupHierarchy& hierarchy, const std::string& cgroup) {
  std::set<int> pids;
  auto dir = OpenAt(hierarchy.top.get(), cgroup, O_RDONLY | O_DIRECTORY);
  if (!dir.ok()) {
    if (Vanished(dir.status())) return pids;
    return dir.status();
  }
  BULKHEAD_RETURN_IF_ERROR(CollectBelow(dir->get(), 0, pids));
  return pids;
}

// ESRCH = it ended; everything else is an error.
Status MoveTo(const CgroupHierarchy& hierarchy, const std::string& cgroup, int pid) {
  return Annotate(WriteFileAt(hierarchy.top.get(), cgroup + "/cgroup.procs", fmt::format("{}", pid)),
                  hierarchy.mount_point);
}

// Where the process is in each hierarchy, relative to the hierarchy's mount ("." = its top), in the order of `all`.
Result<std::vector<std::string>> Memberships(const std::vector<CgroupHierarchy>& all, int pid) {
  auto text = ReadFile(fmt::format("/proc/{}/cgroup", pid));
  if (!text.ok()) return NotFound(fmt::format("no process {}", pid));
  std::vector<std::string> paths(all.size(), ".");
  std::istringstream in(*text);
  for (std::string line; std::getline(in, line);) {  // id:controllers:/path
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string path = line.substr(second + 1);
    for (size_t i = 0; i < all.size(); ++i) {
      const bool same =
          all[i].v2
              ? line.starts_with("0::")
              : names.find(fmt::format(",{},", ControllerName(all[i].controllers.front(), false))) != std::string::npos;
      if (!same) continue;
      if (all[i].mount_root != "/" && path.starts_with(all[i].mount_root)) path.erase(0, all[i].mount_root.size());
      path.erase(0, path.find_first_not_of('/'));
      paths[i] = path.empty() ? "." : path;
    }
  }
  return paths;
}

// Refuses forks in a cgroup while it lives.
class ForkBrake {
 public:
  ForkBrake(const CgroupMounts& mounts, const std::string& cgroup) : mounts_(mounts), cgroup_(cgroup) {}
  ForkBrake(const ForkBrake&) = delete;
  ForkBrake& operator=(const ForkBrake&) = delete;
  ~ForkBrake() {
    // Fails only when the cgroup is gone, and the limit with it.
    if (!before_.empty()) (void)WriteFileAt(Top(), File(), before_);
  }
  Status Pull() {
    if (!before_.empty() || mounts_.Carrier(Controller::kPids) == nullptr) return Ok();
    BULKHEAD_ASSIGN(const std::string before, ReadFileAt(Top(), File()));
    BULKHEAD_RETURN_IF_ERROR(WriteFileAt(Top(), File(), "0"));
    before_ = Trim(before);
    return Ok();
  }

 private:
  int Top() const { return mounts_.Carrier(Controller::kPids)->top.get(); }
  std::string File() const { return cgroup_ + "/pids.max"; }
  const CgroupMounts& mounts_;
  const std::string cgroup_;
  std::string before_;
};

Status WaitUnpopulated(int events_fd, Deadline deadline) {
  while (true) {
    auto text = ReadAll(events_fd);
    if (Vanished(text.status())) return Ok();
    if (!text.ok()) return Annotate(text.status(), "cgroup.events");
    if (StatField(*text, "populated") == 0) return Ok();
    pollfd wait{.fd = events_fd, .events = POLLPRI, .revents = 0};
    const int ready = ::poll(&wait, 1, RemainingMs(deadline));
    if (ready < 0 && errno != EINTR) return Errno(errno, "poll cgroup.events");
    if (ready == 0) return MakeStatus(StatusCode::kDeadlineExceeded, "processes still live after SIGKILL");
  }
}

}  // namespace

Result<std::vector<std::string>> Subdirectories(int dir_fd) {
  BULKHEAD_ASSIGN(UniqueFd fd, OpenAt(dir_fd, ".", O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, DirCloser> dir(::fdopendir(fd.get()));
  if (!dir) return Errno(errno, "list cgroups");
  (void)fd.release();  // the DIR owns it now
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.push_back(name);
    errno = 0;
  }
  if (errno != 0) return Errno(errno, "list cgroups");
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<int>> ProcessMover::List(const std::string& cgroup) {
  std::set<int> all;
  for (const CgroupHierarchy& hierarchy : mounts_.all()) {
    BULKHEAD_ASSIGN(std::set<int> pids, Members(hierarchy, cgroup));
    all.merge(pids);
  }
  return std::vector<int>(all.begin(), all.end());
}

Status ProcessMover::Attach(const std::string& cgroup, int pid) {
  BULKHEAD_ASSIGN(const std::vector<std::string> origins, Memberships(mounts_.all(), pid));
  for (const CgroupHierarchy& hierarchy : mounts_.all()) {
    const Status moved = MoveTo(hierarchy, cgroup, pid);
    if (ErrnoOf(moved) == ESRCH) return Errno(ESRCH, fmt::format("no process {}", pid));
    if (!moved.ok()) return PutBack(cgroup, pid, origins, moved);
  }
  return mounts_.hybrid() ? MoveStragglers(cgroup) : Ok();
}

// Moves what is in one hierarchy but not in another; how many it found. One that ended before it could be moved counts:
// it may have forked first.
Result<int> ProcessMover::MoveStragglersOnce(const std::string& cgroup) {
  std::set<int> anywhere;
  std::vector<std::set<int>> members;
  for (const CgroupHierarchy& hierarchy : mounts_.all()) {
    BULKHEAD_ASSIGN(std::set<int> pids, Members(hierarchy, cgroup));
    anywhere.insert(pids.begin(), pids.end());
    members.push_back(std::move(pids));
  }
  int found = 0;
  for (const int pid : anywhere) {
    for (size_t i = 0; i < members.size(); ++i) {
      if (members[i].contains(pid)) continue;
      ++found;
      const Status moved = MoveTo(mounts_.all()[i], cgroup, pid);
      if (!moved.ok() && ErrnoOf(moved) != ESRCH) return moved;
    }
  }
  return found;
}

// Two looks in a row must find nothing: v1 sizes its list before it fills it, so that forks of members that are in
// already can push a straggler off its end.
Status ProcessMover::MoveStragglers(const std::string& cgroup) {
  ForkBrake brake(mounts_, cgroup);
  bool clean_before = false;
  for (int round = 0; round < kRoundsUnbraked + kRoundsBraked; ++round) {
    if (round == kRoundsUnbraked) BULKHEAD_RETURN_IF_ERROR(brake.Pull());
    BULKHEAD_ASSIGN(const int found, MoveStragglersOnce(cgroup));
    if (found == 0 && clean_before) return Ok();
    clean_before = found == 0;
  }
  return Unavailable("processes fork faster than they can be moved into every hierarchy; kill the task, or try again");
}

// `why` is the error to report. Children that were forked meanwhile are those that are here but not in cgroup2.
Status ProcessMover::PutBack(const std::string& cgroup, int pid, const std::vector<std::string>& origins,
                             const Status& why) {
  std::string left;
  for (size_t i = 0; i + 1 < mounts_.all().size(); ++i) {
    const CgroupHierarchy& hierarchy = mounts_.all()[i];
    if (origins[i] == cgroup) continue;  // it was a member before
    bool all_back = false;
    for (int round = 0; round < kRoundsUnbraked && !all_back; ++round) {
      auto here = Members(hierarchy, cgroup);
      auto settled = Members(mounts_.unified(), cgroup);
      if (!here.ok() || !settled.ok()) break;
      all_back = true;
      for (const int member : *here) {
        if (settled->contains(member) && member != pid) continue;
        all_back = false;
        (void)MoveTo(hierarchy, origins[i], member);  // the next round finds what is still here
      }
    }
    if (!all_back) left += fmt::format("{}{}", left.empty() ? "" : ", ", hierarchy.mount_point);
  }
  if (left.empty()) return why;
  return Annotate(why, fmt::format("process {} could not be put back and is now limited by {} only", pid, left));
}

Status ProcessMover::Kill(const std::string& cgroup, std::chrono::milliseconds timeout) {
  const Deadline deadline = std::chrono::steady_clock::now() + timeout;
  const int top = mounts_.unified().top.get();
  BULKHEAD_ASSIGN(const UniqueFd events, OpenAt(top, cgroup + "/cgroup.events", O_RDONLY));
  BULKHEAD_RETURN_IF_ERROR(WriteFileAt(top, cgroup + "/cgroup.kill", "1"));
  BULKHEAD_RETURN_IF_ERROR(WaitUnpopulated(events.get(), deadline));
  return mounts_.hybrid() ? KillV1Only(cgroup, deadline) : Ok();
}

// cgroup.kill sees cgroup2 members only. A process that is here in v1 alone (an attach that was cut short) is killed by
// pidfd, after a look at whether the pid is still that process.
Status ProcessMover::KillV1Only(const std::string& cgroup, Deadline deadline) {
  ForkBrake brake(mounts_, cgroup);
  while (true) {
    BULKHEAD_ASSIGN(const std::vector<int> pids, List(cgroup));
    if (pids.empty()) return Ok();
    BULKHEAD_RETURN_IF_ERROR(brake.Pull());
    std::vector<UniqueFd> dying;
    for (const int pid : pids) {
      UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
      if (!pidfd.valid()) continue;
      auto places = Memberships(mounts_.all(), pid);
      const auto inside = [&](const std::string& at) { return at == cgroup || at.starts_with(cgroup + "/"); };
      if (!places.ok() || std::none_of(places->begin(), places->end(), inside)) continue;
      if (::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0) == 0) dying.push_back(std::move(pidfd));
    }
    for (const UniqueFd& pidfd : dying) {
      pollfd wait{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
      (void)::poll(&wait, 1, RemainingMs(deadline));  // the list above decides, not this
    }
    if (RemainingMs(deadline) == 0)
      return MakeStatus(StatusCode::kDeadlineExceeded,
                        fmt::format("{} processes still live after SIGKILL", pids.size()));
  }
}

}  // namespace bulkhead
