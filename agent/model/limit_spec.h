// What is asked of the limits of a tenant or a task.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/disk_id.h"
#include "agent/model/limits.h"

namespace bulkhead {

// Of the disk that `path` is on.
struct IoLimit {
  std::string path;
  std::optional<uint64_t> read_bps;
  std::optional<uint64_t> write_bps;
  std::optional<uint64_t> read_iops;
  std::optional<uint64_t> write_iops;
  bool operator==(const IoLimit&) const = default;
};

// What becomes of a memory.max that is lowered below what is in use.
enum class OnShrink : uint8_t {
  kReclaim,  // the kernel takes memory back until it fits, for a while; until then the old limit stands
  kRefuse,
  kForce,  // it is set: cgroup v2 kills where it cannot reclaim, v1 refuses
};

struct LimitSpec {
  Limits values;  // all but those of disks
  std::vector<IoLimit> io;
  // Names of limits, or the first part of them for a whole group ("memory"): a host that cannot enforce them in full
  // refuses the object. The others are enforced as far as the host can, and the object is DEGRADED.
  std::set<std::string> require;
  OnShrink on_shrink = OnShrink::kReclaim;
  // For kReclaim: how long memory is taken back. Later only what the processes give back by themselves counts.
  std::chrono::milliseconds shrink_deadline = kShrinkDeadline;

  static constexpr std::chrono::milliseconds kShrinkDeadline{30'000};

  bool Requires(LimitKind kind) const;
  bool operator==(const LimitSpec&) const = default;
};

using Disks = std::map<std::string, DiskId>;  // path → the disk that it is on; paths on none are missing

// The values, with those of disks that are known.
Limits AskedLimits(const LimitSpec& spec, const Disks& disks);

// ValidateLimits, paths that are not absolute or there twice, and names in `require` that are no limits.
Status ValidateLimitSpec(const LimitSpec& spec, const std::string& field);

}  // namespace bulkhead
