#include "tests/support/fake_cgroup_tree.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace bulkhead {
namespace {

constexpr char kElsewhere[] = "/";

// As kernel/: one or two names, nothing that climbs.
Status CheckPath(const CgroupPath& path) {
  if (path.value.empty()) return Ok();
  const size_t slash = path.value.find('/');
  BULKHEAD_RETURN_IF_ERROR(ValidateName(path.value.substr(0, slash), "cgroup"));
  return slash == std::string::npos ? Ok() : ValidateName(path.value.substr(slash + 1), "cgroup");
}

bool IsAtOrBelow(const std::string& path, const std::string& top) {
  return top.empty() ? path != kElsewhere : path == top || path.starts_with(top + "/");
}

}  // namespace

int FakeCgroupTree::AddProcess(const CgroupPath& path) {
  processes_[next_pid_] = nodes_.contains(path.value) ? path.value : kElsewhere;
  return next_pid_++;
}

int FakeCgroupTree::AddProcessElsewhere() {
  processes_[next_pid_] = kElsewhere;
  return next_pid_++;
}

void FakeCgroupTree::MakeInside(const CgroupPath& path, const std::string& child) {
  nodes_[path.value + "/" + child].id = next_id_++;
}

void FakeCgroupTree::RemoveBehind(const CgroupPath& path) {
  for (int pid : ProcessesBelow(path.value)) processes_.erase(pid);
  Erase(path.value);
}

std::vector<std::string> FakeCgroupTree::Paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, node] : nodes_)
    if (!path.empty()) paths.push_back(path);
  return paths;
}

std::string FakeCgroupTree::WhereIs(int pid) const {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return "dead";
  return found->second == kElsewhere ? "elsewhere" : found->second;
}

Status FakeCgroupTree::MustExist(const CgroupPath& path, const std::string& what) const {
  return nodes_.contains(path.value) ? Ok() : Errno(ENOENT, fmt::format("{}: {}", path.value, what));
}

std::vector<int> FakeCgroupTree::ProcessesBelow(const std::string& path) const {
  std::vector<int> pids;
  for (const auto& [pid, where] : processes_)
    if (IsAtOrBelow(where, path)) pids.push_back(pid);
  return pids;
}

void FakeCgroupTree::Erase(const std::string& path) {
  std::erase_if(nodes_, [&](const auto& node) { return IsAtOrBelow(node.first, path); });
}

Result<CgroupInfo> FakeCgroupTree::Root() {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("root", "top cgroup"));
  BULKHEAD_RETURN_IF_ERROR(MustExist({}, "top cgroup"));
  return CgroupInfo{nodes_.at("").id, !ProcessesBelow("").empty()};
}

Result<std::vector<CgroupPath>> FakeCgroupTree::List() {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("list", "list cgroups"));
  std::vector<CgroupPath> paths;
  for (const auto& [path, node] : nodes_)
    if (!path.empty() && std::count(path.begin(), path.end(), '/') <= 1) paths.push_back({path});
  return paths;
}

Result<CgroupInfo> FakeCgroupTree::Info(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("info", path.value + ": stat"));
  BULKHEAD_RETURN_IF_ERROR(MustExist(path, "stat"));
  return CgroupInfo{nodes_.at(path.value).id, !ProcessesBelow(path.value).empty()};
}

Status FakeCgroupTree::Create(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(CheckPath(path));
  return faults_.Mutate("create", path.value + ": create cgroup", [&]() -> Status {
    if (nodes_.contains(path.value)) return Ok();
    const auto slash = path.value.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.value.substr(0, slash);
    if (!path.value.empty()) BULKHEAD_RETURN_IF_ERROR(MustExist({parent}, "create cgroup in it"));
    nodes_[path.value].id = next_id_++;
    if (path.value.empty()) return Ok();
    for (const LimitKind kind : CopiedOn(host_)) nodes_[path.value].limits.Set(kind, SetAt(parent, kind));
    return Ok();
  });
}

Status FakeCgroupTree::Attach(const CgroupPath& path, int pid) {
  const std::string what = fmt::format("{}: move process {}", path.value, pid);
  if (pid <= 1) return InvalidArgument(what + ": not a process of a tenant");
  if (path.value.find('/') == std::string::npos) return Errno(EBUSY, what);
  return faults_.Mutate("attach", what, [&]() -> Status {
    BULKHEAD_RETURN_IF_ERROR(MustExist(path, fmt::format("move process {}", pid)));
    if (!processes_.contains(pid)) return Errno(ESRCH, what);
    processes_[pid] = path.value;
    return Ok();
  });
}

Result<std::vector<int>> FakeCgroupTree::Processes(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("processes", path.value + ": read processes"));
  BULKHEAD_RETURN_IF_ERROR(MustExist(path, "read processes"));
  return ProcessesBelow(path.value);
}

Status FakeCgroupTree::Kill(const CgroupPath& path, std::chrono::milliseconds timeout) {
  return faults_.Mutate("kill", path.value + ": kill", [&]() -> Status {
    BULKHEAD_RETURN_IF_ERROR(MustExist(path, "kill"));
    const auto pids = ProcessesBelow(path.value);
    if (immortal_.contains(path.value) && !pids.empty())
      return MakeStatus(StatusCode::kDeadlineExceeded, fmt::format("{}: kill: {} processes live on after {} ms",
                                                                   path.value, pids.size(), timeout.count()));
    for (int pid : pids) processes_.erase(pid);
    return Ok();
  });
}

Status FakeCgroupTree::Remove(const CgroupPath& path) {
  return faults_.Mutate("remove", path.value + ": remove cgroup", [&]() -> Status {
    if (!ProcessesBelow(path.value).empty()) return Errno(EBUSY, path.value + ": remove cgroup");
    Erase(path.value);
    return Ok();
  });
}

}  // namespace bulkhead
