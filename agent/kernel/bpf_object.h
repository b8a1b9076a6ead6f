// The programs of bpf/ as one loaded object. Loading checks them against this kernel; nothing is attached yet.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "agent/base/status.h"

struct policy_bpf;

namespace bulkhead {

// PermissionDenied naming the capabilities that this process lacks for loading and attaching.
Status CheckBpfPrivileges();

// Owns the programs until it is destroyed; programs and maps that are pinned or attached live on. It holds the ELF
// image (about 1 MiB), so it is not kept for longer than attaching takes.
class PolicyObject {
 public:
  struct Options {
    uint32_t root_level = 1;      // of Bulkhead's top cgroup; the hierarchy's top is 0
    uint64_t root_cgroup_id = 0;  // its inode
    // Maps are taken from `maps` by name; else from their pins in maps_dir, where they are pinned when they are new.
    std::map<std::string, int> maps;
    std::string maps_dir;  // empty: not pinned
  };
  // FailedPrecondition with the verifier's last words when the kernel refuses a program.
  static Result<PolicyObject> Load(const Options& options);

  PolicyObject(PolicyObject&&) noexcept;
  PolicyObject& operator=(PolicyObject&&) noexcept;
  ~PolicyObject();

  // Names as in bpf/*.bpf.c; -1 for one that does not exist.
  int ProgramFd(const std::string& name) const;
  int MapFd(const std::string& name) const;

 private:
  struct Destroy {
    void operator()(policy_bpf* skeleton) const noexcept;
  };
  explicit PolicyObject(policy_bpf* skeleton) : skeleton_(skeleton) {}
  std::unique_ptr<policy_bpf, Destroy> skeleton_;
};

}  // namespace bulkhead
