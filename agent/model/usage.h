// What is metered, as plain values. Counters are cumulative; a stream is one task's life in one boot.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "agent/base/clock.h"
#include "agent/model/ids.h"

namespace bulkhead {

// Where the other end of a packet is. Same numbers as bpf/abi/policy.h.
enum class Scope : uint8_t { kSameTenant = 0, kOtherTenant = 1, kHost = 2, kPrivate = 3, kInternet = 4 };
inline constexpr size_t kScopes = 5;
const char* ScopeName(Scope scope);  // "same_tenant" …

// Why a packet was dropped. Same numbers as bpf/abi/policy.h.
enum class DropReason : uint8_t {
  kNone = 0,
  kUnknownTask = 1,  // the socket's cgroup is no task (not yet bound, or below no task)
  kPolicy = 2,       // no rule allows it
  kMalformed = 3,    // short or inconsistent header, or an ethertype that is not IP
  kFragment = 4,     // a hand-made fragment
  kNoState = 5,      // the kernel had no memory for the flow's state
  kSpoofed = 6,      // source address belongs to another task
  kBind = 7,         // bind(2) refused
};
inline constexpr size_t kDropReasons = 8;
const char* DropReasonName(DropReason reason);  // "policy" …

struct NetworkCounters {
  struct Traffic {
    uint64_t bytes = 0;  // layer 3, as on the wire (GSO segments each with their headers)
    uint64_t packets = 0;
    bool operator==(const Traffic&) const = default;
  };
  // [0] = ingress, [1] = egress
  std::array<std::array<Traffic, kScopes>, 2> passed{};
  std::array<std::array<uint64_t, kDropReasons>, 2> dropped{};  // packets, and refused connect/sendmsg/bind calls
  bool operator==(const NetworkCounters&) const = default;
};

// One reading of the kernel's counters of one cgroup, at one time.
struct UsageReading {
  BootTime at{};
  uint64_t cpu_ns = 0;
  uint64_t throttled_ns = 0;
  uint64_t throttled_periods = 0;
  uint64_t memory_bytes = 0;       // gauge
  uint64_t memory_peak_bytes = 0;  // gauge, high-water mark
  uint64_t oom_kills = 0;
  uint64_t pids = 0;           // gauge
  uint64_t pids_failures = 0;  // forks refused by pids.max
  NetworkCounters network;
};

// A task that runs now: what engine tells usage.
struct LiveTask {
  TaskId id;
  std::string uid;         // one per task object, kept over agent restarts
  uint64_t cgroup_id = 0;  // inode of the cgroup in the v2 hierarchy
  uint32_t slot = 0;       // of the data plane's counters
  auto operator<=>(const LiveTask&) const = default;
};

}  // namespace bulkhead
