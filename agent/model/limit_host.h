// What the kernel of one host makes of limits that are asked for. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/model/limits.h"

namespace bulkhead {

// How far a host enforces a limit.
struct LimitSupport {
  enum class Level : uint8_t { kFull, kWeak, kNone };
  Level level = Level::kFull;
  std::string why;  // empty when in full
  bool operator==(const LimitSupport&) const = default;
};

enum class Tier : uint8_t { kTenant, kTask };

struct LimitHost {
  uint64_t page_size = 4096;
  // cgroup v1: swap is limited together with memory. A limit on memory alone leaves no swap, one on swap needs one on
  // memory.
  bool memory_v1 = false;
  // cgroup v1: a cgroup's CPUs and nodes are a copy of its parent's, and must lie within them.
  bool cpuset_v1 = false;
  // cgroup v1: limits of disks hold for the processes of one cgroup, not for those below, and not for what is written
  // back later.
  bool io_v1 = false;
  bool bfq_weight = false;  // io_weight is given to bfq, which knows 1 to 1000
  IndexSet cpus;            // of the top cgroup: what "not limited" means
  IndexSet mems;
  std::set<uint64_t> huge_pages;             // sizes, bytes
  std::map<LimitKind, LimitSupport> weaker;  // what is not enforced in full
};

// The largest count of bytes that a memory limit can hold; the kernel calls it "max" (include/linux/page_counter.h).
uint64_t MemoryCeiling(uint64_t page_size);
// bfq's weight for ours, and back: the same up to 100, 9900 steps spread over 900 above.
uint64_t BfqFromWeight(uint64_t weight);
uint64_t WeightFromBfq(uint64_t weight);

// What the kernel makes of a value: bytes are rounded down to pages, weights to those that bfq has; a default, and
// bytes beyond what the kernel can count, read back as "no limit".
std::optional<LimitValue> EffectiveLimit(const LimitHost& host, const LimitId& id,
                                         const std::optional<LimitValue>& value);

// Limits that every cgroup holds, within those of the one above.
std::set<LimitKind> CopiedOn(const LimitHost& host);
// Of a limit in a cgroup that is asked for all of `with`.
LimitSupport SupportOn(const LimitHost& host, Tier tier, const LimitId& id, const Limits& with);
// What a cgroup holds once all of `wanted` is set, when the one above it holds `above`.
Limits EffectiveOn(const LimitHost& host, Tier tier, const Limits& wanted, const Limits& above);

}  // namespace bulkhead
