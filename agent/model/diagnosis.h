// What is known of a host that walls and meters depend on, and what somebody must hear about it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead {

// Something that a kernel offers or not.
struct Feature {
  std::string name;  // "cgroup.kill", "lsm_cgroup"
  bool works = false;
  std::string detail;  // why not
};

// A BPF program on a cgroup that is not ours.
struct CgroupProgram {
  std::string cgroup;  // absolute path
  std::string hook;    // "egress", "connect4", "device"
  uint32_t id = 0;
  std::string name;        // empty: this process may not read it
  bool exclusive = false;  // forbids programs of others below its cgroup
  bool contested = false;  // Bulkhead has a program on this hook, too
  bool on_top = false;     // sits on Bulkhead's top cgroup itself, else above
};

// Read when asked.
struct DiagnosisFacts {
  struct Table {
    std::string name;
    uint64_t used = 0;
    uint64_t capacity = 0;
  };
  struct Controller {
    std::string address;  // empty: none configured
    bool connected = false;
    std::string error;
    uint64_t waiting = 0;  // records that it does not have yet
  };

  std::string kernel;  // release
  std::vector<Feature> features;
  std::vector<std::string> unsupported;  // "memory.max: why this host cannot enforce it"
  uint64_t capabilities = 0;             // effective ones, as bits
  std::vector<CgroupProgram> programs;
  std::string programs_unknown;  // why they could not be asked for
  bool walls_failed = false;     // else degraded, where there are reasons
  std::vector<std::string> wall_reasons;
  std::string load_error;  // why configuration and manifests are not in force as written; a line each
  std::vector<Table> tables;
  std::string state_directory;
  std::string state_problem;     // why nothing can be written there; empty: it can
  uint64_t disk_available = 0;   // bytes
  uint64_t spool_bytes = 0;      // unacknowledged usage
  uint64_t spool_max = 0;        // bytes
  uint64_t thinned_records = 0;  // since the start, for want of room
  Controller controller;
};

enum class Severity : uint8_t {
  kOk,
  kNote,     // works, less than elsewhere
  kUnknown,  // could not be looked at
  kWarning,  // works, and will not for ever, or not as meant
  kError,    // a wall or the meter does not stand, or will not after the next start
};

struct Finding {
  Severity severity = Severity::kOk;
  std::string check;    // "kernel features", "foreign programs"
  std::string found;    // what was seen
  std::string meaning;  // for tenants and operators; empty with kOk
  std::string action;   // what to do; empty: nothing
};

}  // namespace bulkhead
