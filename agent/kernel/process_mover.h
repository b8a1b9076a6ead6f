// Processes in a cgroup that exists in several hierarchies at once: listing, moving in, killing.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/kernel/cgroup_mounts.h"

namespace bulkhead {

// Core thread only. `cgroup` is relative to the hierarchies' tops and exists in all of them.
//
// Hybrid hosts: a process is moved one hierarchy at a time, and may fork between two writes; the child is then in the
// first hierarchies but not in the later ones. So (1) the order is always the same, pids first: whoever is anywhere is
// there, and its fork limit stands from the first write on; cgroup2, where the network rules are, is last; (2) after
// the last write the members of all hierarchies are compared and moved where they are missing, until nothing is; (3) a
// fork bomb that outruns this has its forks refused (pids.max 0, put back after) until all are in.
class ProcessMover {
 public:
  // `mounts` must outlive this.
  explicit ProcessMover(const CgroupMounts& mounts) : mounts_(mounts) {}

  // Members of the cgroup and all below it, in any hierarchy; sorted.
  Result<std::vector<int>> List(const std::string& cgroup);
  // The whole process (all threads), and what it forks meanwhile. When a hierarchy refuses, what was moved is put back
  // where it was; if that fails too the message names the hierarchies that it is under now.
  Status Attach(const std::string& cgroup, int pid);
  // Brings processes that are in some hierarchies into all.
  Status Complete(const std::string& cgroup) { return mounts_.hybrid() ? MoveStragglers(cgroup) : Ok(); }
  // SIGKILLs every member, fork bombs included, and waits until none lives; kDeadlineExceeded past the timeout.
  Status Kill(const std::string& cgroup, std::chrono::milliseconds timeout);

 private:
  Status MoveStragglers(const std::string& cgroup);
  Result<int> MoveStragglersOnce(const std::string& cgroup);
  Status PutBack(const std::string& cgroup, int pid, const std::vector<std::string>& origins, const Status& why);
  Status KillV1Only(const std::string& cgroup, std::chrono::steady_clock::time_point deadline);

  const CgroupMounts& mounts_;
};

// Names of the directories in a directory; sorted.
Result<std::vector<std::string>> Subdirectories(int dir_fd);

}  // namespace bulkhead
