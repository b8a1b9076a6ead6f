// Reads and writes limits through descriptors that stay open: the hot path of apply and reconcile.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>

#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/kernel/cgroup_mounts.h"
#include "agent/model/limits.h"

namespace bulkhead {

// Core thread only. A cgroup that was removed and made again is noticed (its old descriptors give ENODEV) and opened
// anew. At most `max_cgroups` are held at a time (at most 7 descriptors each, less where files are missing); the least
// recently used are closed.
class LimitIo {
 public:
  // `mounts` must outlive this. `root` is relative to the hierarchies' tops.
  LimitIo(const CgroupMounts& mounts, std::string root, size_t max_cgroups);

  // `cgroup` is relative to the root ("" = the root itself). Errors name the file, not the cgroup.
  // What the kernel holds after the write; a difference from what it should hold is FailedPrecondition.
  Result<std::optional<uint64_t>> Write(const std::string& cgroup, LimitKind kind, std::optional<uint64_t> value);
  Result<std::optional<uint64_t>> Read(const std::string& cgroup, LimitKind kind);
  bool Holds(const std::string& cgroup) const { return held_.contains(cgroup); }
  void Forget(const std::string& cgroup);  // the cgroup and everything below it

  uint64_t page_size() const { return page_size_; }

 private:
  struct Slot {
    bool v2 = false;
    LimitFile files;
    UniqueFd value;
    UniqueFd companion;
    uint64_t held = UINT64_MAX;  // what was last read: tells which of memory's two v1 files to write first
    uint64_t period = 0;         // v1, kCpuMax: of the quota, as last read; 0 = not yet
  };
  struct Held {
    std::array<Slot, kAllLimits.size()> slots;
    std::list<std::string>::iterator age;
  };

  Result<Slot*> Open(const std::string& cgroup, LimitKind kind);
  Status ReadPeriod(Slot& slot);
  Status FixPeriod(Slot& slot);
  Result<std::optional<uint64_t>> ReadSlot(Slot& slot, LimitKind kind);
  Result<std::optional<uint64_t>> WriteSlot(Slot& slot, LimitKind kind, std::optional<uint64_t> value);

  const CgroupMounts& mounts_;
  const std::string root_;
  const size_t max_cgroups_;
  const uint64_t page_size_;
  std::unordered_map<std::string, Held> held_;
  std::list<std::string> by_age_;  // most recently used first
};

}  // namespace bulkhead
