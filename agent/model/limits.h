// Resource limits as plain values. Absent means "not limited by this level"; ancestors still apply.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/disk_id.h"
#include "agent/model/index_set.h"

namespace bulkhead {

// What can be limited. The kernel file that carries it (cgroup v2 or v1) is kernel/'s business.
enum class LimitKind : uint8_t {
  kCpuMax,     // CPU time in microseconds per 100 ms period; 1 CPU = 100000. 1000 (10m) and up: the kernel's floor
  kCpuBurst,   // microseconds on top of kCpuMax in one period, saved up before
  kCpuWeight,  // 1..10000, kernel default 100
  kCpuIdle,    // 1: runs only when nobody else wants the CPU
  kCpuCpus,    // set of CPUs
  kCpuMems,    // set of memory nodes
  kMemoryMax,  // bytes, as all of memory
  kMemoryHigh,
  kMemoryLow,
  kMemoryMin,
  kSwapMax,
  kOomGroup,  // 1: an OOM kill takes every process at once
  kPidsMax,   // processes and threads
  kIoWeight,  // 1..10000, kernel default 100
  // Per disk.
  kIoReadBps,  // bytes per second
  kIoWriteBps,
  kIoReadIops,  // operations per second
  kIoWriteIops,
  // Per size of huge pages.
  kHugetlbMax,  // bytes
};
inline constexpr std::array kAllLimits = {
    LimitKind::kCpuMax,     LimitKind::kCpuBurst,    LimitKind::kCpuWeight, LimitKind::kCpuIdle,
    LimitKind::kCpuCpus,    LimitKind::kCpuMems,     LimitKind::kMemoryMax, LimitKind::kMemoryHigh,
    LimitKind::kMemoryLow,  LimitKind::kMemoryMin,   LimitKind::kSwapMax,   LimitKind::kOomGroup,
    LimitKind::kPidsMax,    LimitKind::kIoWeight,    LimitKind::kIoReadBps, LimitKind::kIoWriteBps,
    LimitKind::kIoReadIops, LimitKind::kIoWriteIops, LimitKind::kHugetlbMax};
inline constexpr uint64_t kCpuPeriodUsec = 100'000;
inline constexpr uint64_t kDefaultCpuWeight = 100;
inline constexpr uint64_t kDefaultIoWeight = 100;

enum class LimitShape : uint8_t { kNumber, kFlag, kSet };
// Which of two values leaves more room.
enum class WiderIs : uint8_t { kLarger, kSmaller, kSuperset, kNeither };

struct LimitTraits {
  LimitKind kind;
  const char* name;  // in manifests: "memory.swap_max"
  LimitShape shape;
  WiderIs wider;
  std::optional<uint64_t> neutral;  // what a kernel holds that was asked for nothing; nullopt = no limit
  uint64_t low;                     // range of what may be asked
  uint64_t high;
  const char* range;  // the same for people
};
const LimitTraits& TraitsOf(LimitKind kind);
const char* LimitName(LimitKind kind);

// A limit of one cgroup.
struct LimitId {
  // NOLINTNEXTLINE(google-explicit-constructor): most have only a kind
  LimitId(LimitKind limit_kind, uint64_t limit_of = 0) : kind(limit_kind), of(limit_of) {}
  LimitKind kind;
  uint64_t of;  // of which disk (OfDisk), of pages of how many bytes; 0 for all other kinds
  auto operator<=>(const LimitId&) const = default;
};
std::string ToString(const LimitId& id);  // "memory.max", "io.read_bps of 254:0", "hugetlb.max of 2MiB"
bool IsOfDisk(LimitKind kind);            // one per disk
bool IsOfPageSize(LimitKind kind);        // one per size of huge pages
uint64_t OfDisk(const DiskId& disk);
DiskId DiskOf(const LimitId& id);
std::string PageSizeName(uint64_t bytes);  // "2MiB"

// A number (flags: 0 or 1) or a set, as the kind's shape says.
class LimitValue {
 public:
  LimitValue(uint64_t number) : number_(number) {}                // NOLINT(google-explicit-constructor)
  LimitValue(IndexSet set) : number_(0), set_(std::move(set)) {}  // NOLINT(google-explicit-constructor)
  uint64_t number() const { return number_; }
  const IndexSet& set() const { return set_; }
  auto operator<=>(const LimitValue&) const = default;

 private:
  uint64_t number_;
  IndexSet set_;
};
// "268435456", "0-3"; without a value what the kernel then holds: "max", "100", "0", "all".
std::string ToString(const LimitId& id, const std::optional<LimitValue>& value);

// At most one value per limit, ordered by id.
class Limits {
 public:
  using Entry = std::pair<LimitId, LimitValue>;

  Limits() = default;
  Limits(std::initializer_list<Entry> entries);
  const LimitValue* Find(const LimitId& id) const;  // nullptr: not limited
  std::optional<LimitValue> Get(const LimitId& id) const;
  std::optional<uint64_t> Number(const LimitId& id) const;
  void Set(const LimitId& id, std::optional<LimitValue> value);  // nullopt: not limited any more
  bool Has(const LimitId& id) const { return Find(id) != nullptr; }
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  bool operator==(const Limits&) const = default;

 private:
  std::vector<Entry> entries_;
};

enum class Change : uint8_t { kNone, kWider, kNarrower, kOther };
// kOther: weights, and sets of which neither holds the other.
Change ChangeOf(LimitKind kind, const std::optional<LimitValue>& from, const std::optional<LimitValue>& to);

// Ranges, and what cannot stand together in one cgroup; `field` prefixes the path in the message ("limits.cpu.max").
Status ValidateLimits(const Limits& limits, const std::string& field);

}  // namespace bulkhead
