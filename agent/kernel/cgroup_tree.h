// The tenants' cgroup tree: <root>/<tenant>/<task>, in the unified hierarchy and, on hybrid hosts, at the same relative
// path in every v1 hierarchy that carries a limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/ids.h"
#include "agent/model/limit_host.h"
#include "agent/model/limits.h"

namespace bulkhead {

struct CgroupInfo {
  uint64_t id = 0;         // inode in the v2 hierarchy: the identity that BPF sees
  bool populated = false;  // a process lives here or below
};

// Core thread only. Every write is read back. Errors keep the kernel's errno and name cgroup and file.
class CgroupTree {
 public:
  virtual ~CgroupTree() = default;

  // Bulkhead's top cgroup itself; kNotFound when somebody removed it. Create({""}) makes it anew.
  virtual Result<CgroupInfo> Root() = 0;
  // Tenants and tasks (two levels) that exist; cgroups that tasks made inside themselves are not listed.
  virtual Result<std::vector<CgroupPath>> List() = 0;
  virtual Result<CgroupInfo> Info(const CgroupPath& path) = 0;  // kNotFound when there is none

  // Makes one level; the parent must exist. A cgroup that is there already is completed (a hierarchy that misses it
  // gets it) and is no error.
  virtual Status Create(const CgroupPath& path) = 0;
  // Limits that the kernel holds now; kernel defaults are absent.
  virtual Result<Limits> ReadLimits(const CgroupPath& path) = 0;
  // The same of these only, which costs less; those that this host cannot hold are absent.
  virtual Result<Limits> ReadLimits(const CgroupPath& path, const std::vector<LimitId>& ids) = 0;
  // Writes, reads back and returns what the kernel made of it (memory is rounded down to pages, v1 weights are
  // converted). A value that the kernel did not take is an error, never a silent difference.
  virtual Result<std::optional<LimitValue>> SetLimit(const CgroupPath& path, const LimitId& id,
                                                     const std::optional<LimitValue>& value) = 0;
  // What ReadLimits gives once all of `wanted` is set in a cgroup at `path`, below one that holds `above`: lets a plan
  // compare asked with held. What this host cannot hold is left out. Pure.
  virtual Limits Effective(const CgroupPath& path, const Limits& wanted, const Limits& above) const = 0;
  // Limits that a cgroup without one of its own holds a copy of, and that must lie within those of the cgroup above.
  virtual std::set<LimitKind> Copied() const = 0;
  // How far this host enforces a limit of a cgroup at `path` that is asked for all of `with`.
  virtual LimitSupport Supports(const CgroupPath& path, const LimitId& id, const Limits& with) const = 0;

  // Bytes in use at and below path now, as memory.max counts them.
  virtual Result<uint64_t> MemoryInUse(const CgroupPath& path) = 0;

  virtual Status Attach(const CgroupPath& path, int pid) = 0;              // the whole process, in every hierarchy
  virtual Result<std::vector<int>> Processes(const CgroupPath& path) = 0;  // the cgroup and all below it
  // SIGKILLs everything at and below path; returns when nothing lives there, or kDeadlineExceeded.
  virtual Status Kill(const CgroupPath& path, std::chrono::milliseconds timeout) = 0;
  // Removes path and every cgroup below it from every hierarchy; EBUSY while a process lives there. Gone already = ok.
  virtual Status Remove(const CgroupPath& path) = 0;
};

}  // namespace bulkhead
