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
#include "agent/kernel/limit_files.h"
#include "agent/kernel/memory_v1.h"
#include "agent/model/limit_host.h"
#include "agent/model/limits.h"

namespace bulkhead {

// Core thread only. A cgroup that was removed and made again is noticed (its old descriptors give ENODEV) and opened
// anew. At most `max_descriptors` are held, those of the least recently used cgroups are closed first.
class LimitIo {
 public:
  // `mounts` and `host` must outlive this. `root` is relative to the hierarchies' tops.
  LimitIo(const CgroupMounts& mounts, std::string root, const LimitHost& host, size_t max_descriptors);

  // `cgroup` is relative to the root ("" = the root itself). Errors name the file, not the cgroup.
  // What the kernel holds after the write; a difference from what it should hold is FailedPrecondition.
  Result<std::optional<LimitValue>> Write(const std::string& cgroup, const LimitId& id,
                                          const std::optional<LimitValue>& value);
  // kAsIs: a descriptor that is not held already is closed again. Those of disks and huge pages always are.
  enum class Keep { kOpen, kAsIs };
  Result<std::optional<LimitValue>> Read(const std::string& cgroup, const LimitId& id, Keep keep);
  Status ReadDisks(const std::string& cgroup, Limits& limits);  // of every disk that has a limit
  bool Holds(const std::string& cgroup) const { return held_.contains(cgroup); }
  void Forget(const std::string& cgroup);  // the cgroup and everything below it

 private:
  struct Slot {
    bool v2 = false;
    LimitFile files;
    UniqueFd value;
    UniqueFd companion;
    uint64_t period = 0;  // v1, kCpuMax: of the quota, as last read; 0 = not yet
  };
  struct Held {
    std::array<Slot, static_cast<size_t>(LimitKind::kIoReadBps)> slots;  // one per kind that needs no more than a kind
    std::list<std::string>::iterator age;
    size_t descriptors = 0;
    std::optional<MemoryV1> memory;  // v1: as last read
  };

  using Value = Result<std::optional<LimitValue>>;
  Held& Touch(const std::string& cgroup);
  Result<Slot> OpenSlot(const std::string& cgroup, const LimitId& id) const;
  Result<Slot*> Hold(Held& held, const std::string& cgroup, LimitKind kind);
  void EvictOldest();
  Value ReadSlot(Slot& slot, const LimitId& id, std::optional<MemoryV1>& memory);
  Status WriteSlot(Slot& slot, const LimitId& id, const std::optional<LimitValue>& value,
                   std::optional<MemoryV1>& memory);
  Status WriteMemory(const Slot& slot, LimitKind kind, const std::optional<LimitValue>& value,
                     std::optional<MemoryV1>& memory);
  Status ReadPeriod(Slot& slot);
  Status FixPeriod(Slot& slot);
  Value TopSet(LimitKind kind);
  Value WithoutTopSet(LimitKind kind, Value set);

  const CgroupMounts& mounts_;
  const std::string root_;
  const LimitHost& host_;
  const size_t max_descriptors_;
  std::unordered_map<std::string, Held> held_;
  std::list<std::string> by_age_;  // most recently used first
  size_t descriptors_ = 0;
};

}  // namespace bulkhead
