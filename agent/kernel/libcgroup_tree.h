// The real CgroupTree, on unified (cgroup v2) and hybrid hosts (v1 controllers beside a cgroup2 mount).
#pragma once

#include <memory>
#include <string>

#include "agent/base/unique_fd.h"
#include "agent/kernel/cgroup_mounts.h"
#include "agent/kernel/cgroup_tree.h"
#include "agent/kernel/limit_io.h"
#include "agent/kernel/process_mover.h"

namespace bulkhead {

// Structure through libcgroup, values through descriptors that are held open (LimitIo).
//
// On hybrid hosts a cgroup is made in cgroup2 first and removed there last: whatever exists in any hierarchy is listed,
// so that a creation or removal cut short by a crash is found and finished. Until then a missing v1 side reads as "no
// limits", and SetLimit and Attach complete the cgroup first.
//
// Cgroups of the agent's own unit are never touched, and no cgroup's processes but those under the root.
class LibcgroupTree final : public CgroupTree {
 public:
  // Finds the hierarchies, makes the root where it is missing, with the controllers, and completes tenants and tasks
  // whose creation a crash cut short, or that an earlier agent made in fewer hierarchies.
  // `root`: "auto" = the cgroup of bulkhead-tenants.service where systemd has made it, else "bulkhead"; or a path below
  // each hierarchy's top ("bulkhead", "machine/bulkhead"). InvalidArgument for a path that is empty, absolute, a
  // hierarchy's top or climbs with "..". The cgroup of bulkhead-tenants.service, under any path, is systemd's to make:
  // FailedPrecondition until that unit has set it up.
  static Result<std::unique_ptr<LibcgroupTree>> Create(const std::string& root);

  Result<CgroupInfo> Root() override;  // kNotFound also for a delegated root that its unit has not set up (again) yet
  Result<std::vector<CgroupPath>> List() override;
  Result<CgroupInfo> Info(const CgroupPath& path) override;
  // Through libcgroup: the root, with missing parents and their controllers, and on hybrid hosts the tenants. By one
  // mkdir per hierarchy: tasks, of which there are many and whose parent is ready (libcgroup's path walk costs twice
  // that on v1), and on unified hosts tenants, where libcgroup also writes the root's subtree_control again, which
  // makes the kernel wait until earlier tenants' cgroups are gone for good. A cgroup that cannot be made in every
  // hierarchy is taken back.
  Status Create(const CgroupPath& path) override;
  Result<Limits> ReadLimits(const CgroupPath& path) override;
  Result<Limits> ReadLimits(const CgroupPath& path, const std::vector<LimitId>& ids) override;
  Result<std::optional<LimitValue>> SetLimit(const CgroupPath& path, const LimitId& id,
                                             const std::optional<LimitValue>& value) override;
  Limits Effective(const CgroupPath& path, const Limits& wanted, const Limits& above) const override;
  std::set<LimitKind> Copied() const override;
  LimitSupport Supports(const CgroupPath& path, const LimitId& id, const Limits& with) const override;
  Result<uint64_t> MemoryInUse(const CgroupPath& path) override;
  // Tasks only: a tenant's cgroup holds no processes itself (EBUSY). See ProcessMover for the order of hierarchies.
  Status Attach(const CgroupPath& path, int pid) override;
  Result<std::vector<int>> Processes(const CgroupPath& path) override;
  Status Kill(const CgroupPath& path, std::chrono::milliseconds timeout) override;
  Status Remove(const CgroupPath& path) override;

  const CgroupMounts& mounts() const { return *mounts_; }
  const LimitHost& host() const { return host_; }
  const char* mode() const { return mounts_->hybrid() ? "hybrid" : "unified"; }
  std::string root_path() const;  // absolute, in cgroup2
  std::string root_cgroup()
      const;  // as /proc/PID/cgroup names it: "/bulkhead", also where a part of cgroup2 is mounted
  // A descriptor of the root's cgroup2 directory as it is now (a root that was removed and made anew is another one).
  Result<UniqueFd> OpenRoot() const;
  // Levels from cgroup2's own top down to the root: 1 for "bulkhead". Tasks are two below.
  uint32_t depth() const;
  // The path relative to the hierarchies' tops: "bulkhead/acme/web-1".
  std::string Relative(const CgroupPath& path) const;

 private:
  LibcgroupTree(std::unique_ptr<CgroupMounts> mounts, std::string root);
  Status CreateAt(const CgroupPath& path);
  Result<bool> MakeDirectories(const std::string& cgroup, bool with_libcgroup);
  Status EnableControllers(const std::string& cgroup);
  Status CheckName(const CgroupPath& path) const;
  Status CheckDelegated() const;
  Status OpenCpuset(const std::string& cgroup);
  Status LookAtHost();
  bool Lacks(LimitKind kind) const;
  Result<Limits> Read(const CgroupPath& path, const std::vector<LimitId>& ids, LimitIo::Keep keep);
  Status RemoveFrom(const CgroupHierarchy& hierarchy, const std::string& cgroup, bool with_libcgroup);

  std::unique_ptr<CgroupMounts> mounts_;  // at a fixed address: limits_ and processes_ refer to it
  std::string root_;                      // relative to every hierarchy's top
  bool delegated_;                        // the root is systemd's to make, never ours
  LimitHost host_;
  LimitIo limits_;
  std::set<Controller> lacking_;  // offered by the host, but not to our root
  ProcessMover processes_;
};

}  // namespace bulkhead
