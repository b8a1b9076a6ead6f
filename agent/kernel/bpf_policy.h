// PolicyMaps on the kernel. Pin tree: <bpffs>/v<schema>/{maps,links}; what is pinned goes on without this process and
// is taken over by the next one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/kernel/bpf_links.h"
#include "agent/kernel/bpf_maps.h"
#include "agent/kernel/bpf_object.h"
#include "agent/kernel/foreign_programs.h"
#include "agent/kernel/policy_entries.h"
#include "agent/kernel/policy_maps.h"

namespace bulkhead {

class BpfPolicy final : public PolicyMaps {
 public:
  // cgroup_root: path of Bulkhead's top cgroup in the cgroup2 hierarchy; it must exist. bpffs: a directory on a bpf
  // mount, made when missing. Takes over pinned maps and links, collects half-written policies, attaches. Fails with
  // PermissionDenied naming capabilities, FailedPrecondition naming mount command, cgroup or verifier message; then
  // nothing that was enforced before has changed.
  static Result<std::unique_ptr<BpfPolicy>> Create(const std::string& cgroup_root, const std::string& bpffs);

  Status CheckAttached() override;
  Status Attach() override;
  Status InstallPolicy(uint32_t policy_id, const CompiledPolicy& policy) override;
  Status RetirePolicy(uint32_t policy_id) override;
  Result<std::map<uint32_t, CompiledPolicy::Hash>> Policies() override;
  Status BindTask(uint64_t cgroup_id, const TaskBinding& binding, bool fresh) override;
  Status UnbindTask(uint64_t cgroup_id) override;
  Result<std::map<uint64_t, TaskBinding>> Bindings() override;
  Status SetAddress(const IpAddress& address, uint64_t cgroup_id) override;
  Status ClearAddress(const IpAddress& address) override;
  Result<std::map<IpAddress, uint64_t>> Addresses() override;
  Result<NetworkCounters> ReadCounters(uint32_t slot) override;
  uint32_t MaxTasks() const override { return traffic_.capacity(); }
  std::vector<MapUse> Use() override;

  // BPF programs of others on the top cgroup and above it.
  Result<std::vector<CgroupProgram>> ForeignPrograms() const;
  // Packets of no task: sockets below the top cgroup that belong to no bound task.
  Result<NetworkCounters> ReadUnknown();

 private:
  // What a policy occupies: 24 bytes a prefix, so that retiring one never searches the maps, which takes as long as
  // they are large.
  struct Footprint {
    std::vector<prefix_key> prefixes;
    std::vector<prefix_lpm_key> lpm_prefixes;
    std::vector<class_key> classes;
    bool retired = false;  // its record is gone, and these entries could not be deleted yet
  };

  BpfPolicy() = default;
  std::string MapsDir() const { return directory_ + "/maps"; }
  std::map<std::string, int> HeldMaps() const;
  Status PinMaps() const;
  Status AdoptMaps(const PolicyObject& object);
  Status CountExisting();
  Status WriteEntries(uint32_t policy_id, const PolicyEntries& entries);
  Status DeleteEntries(Footprint& footprint);
  Status CheckRoom(uint32_t policy_id, const PolicyEntries& entries) const;
  Status RaiseGeneration();
  Result<std::array<std::array<uint64_t, kDropReasons>, 2>> ReadDrops(uint32_t slot);

  std::string cgroup_root_;
  std::string directory_;  // <bpffs>/v<schema>
  BpfLinks links_;
  BpfMap<uint64_t, task_record> tasks_;
  BpfMap<uint32_t, policy_record> policies_;
  BpfMap<prefix_key, uint32_t> prefixes_;
  BpfMap<prefix_lpm_key, uint32_t> lpm_prefixes_;
  BpfMap<class_key, class_record> classes_;
  BpfMap<address_key, uint64_t> addresses_;
  BpfMap<uint32_t, control_record> control_;
  BpfCounterMap<traffic_record> traffic_;
  BpfCounterMap<drop_record> drops_;
  UniqueFd flows_, udp_flows_;  // held so that programs loaded later share them even without pins

  std::map<uint32_t, Footprint> footprints_;
  uint64_t generation_ = 0;
  uint64_t tasks_used_ = 0, prefixes_used_ = 0, lpm_used_ = 0, classes_used_ = 0, addresses_used_ = 0;
};

}  // namespace bulkhead
