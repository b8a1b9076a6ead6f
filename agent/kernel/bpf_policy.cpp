#include "agent/kernel/bpf_policy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

namespace bulkhead {
namespace {

Result<UniqueFd> HoldMap(const PolicyObject& object, const char* name) {
  UniqueFd fd(::fcntl(object.MapFd(name), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return Errno(errno, fmt::format("keep map {}", name));
  return fd;
}

std::string Name(uint32_t policy_id) { return fmt::format("policy {}", policy_id); }

}  // namespace

Result<std::unique_ptr<BpfPolicy>> BpfPolicy::Create(const std::string& cgroup_root, const std::string& bpffs) {
  BULKHEAD_RETURN_IF_ERROR(CheckBpfPrivileges());
  std::unique_ptr<BpfPolicy> policy(new BpfPolicy);
  policy->cgroup_root_ = cgroup_root;
  policy->directory_ = fmt::format("{}/v{}", bpffs, POLICY_SCHEMA);
  BULKHEAD_RETURN_IF_ERROR(policy->Attach());
  return policy;
}

Status BpfPolicy::Attach() {
  BULKHEAD_ASSIGN(const CgroupRef root, OpenCgroup(cgroup_root_));
  BULKHEAD_RETURN_IF_ERROR(PinMaps());
  if (links_.Check(root.id).ok()) return Ok();
  const PolicyObject::Options options{
      .root_level = root.level, .root_cgroup_id = root.id, .maps = HeldMaps(), .maps_dir = MapsDir()};
  BULKHEAD_ASSIGN(const PolicyObject object, PolicyObject::Load(options));
  if (control_.fd() < 0) {
    BULKHEAD_RETURN_IF_ERROR(AdoptMaps(object));
    BULKHEAD_RETURN_IF_ERROR(CountExisting());
  }
  BULKHEAD_ASSIGN(links_, BpfLinks::Attach(object, root, directory_ + "/links"));
  return Ok();
}

Status BpfPolicy::CheckAttached() {
  struct stat status {};
  if (::stat(cgroup_root_.c_str(), &status) != 0)
    return FailedPrecondition(Message(Errno(errno, "top cgroup " + cgroup_root_)));
  BULKHEAD_RETURN_IF_ERROR(links_.Check(status.st_ino));
  for (const auto& [name, fd] : HeldMaps())
    if (const std::string pin = MapsDir() + "/" + name; ::access(pin.c_str(), F_OK) != 0)
      return FailedPrecondition(fmt::format("map {} is in use but its pin {} is gone", name, pin));
  return Ok();
}

Result<std::vector<CgroupProgram>> BpfPolicy::ForeignPrograms() const {
  BULKHEAD_ASSIGN(const CgroupRef root, OpenCgroup(cgroup_root_));
  return FindForeignPrograms(root, links_.ProgramIds());
}

std::map<std::string, int> BpfPolicy::HeldMaps() const {
  if (control_.fd() < 0) return {};
  return {{"tasks", tasks_.fd()},         {"policies", policies_.fd()},
          {"prefixes", prefixes_.fd()},   {"prefixes_lpm", lpm_prefixes_.fd()},
          {"classes", classes_.fd()},     {"addresses", addresses_.fd()},
          {"control", control_.fd()},     {"traffic", traffic_.fd()},
          {"drops", drops_.fd()},         {"flows", flows_.get()},
          {"udp_flows", udp_flows_.get()}};
}

// The first time the maps are pinned when they are made.
Status BpfPolicy::PinMaps() const {
  BULKHEAD_RETURN_IF_ERROR(MakeBpffsDir(MapsDir()));
  for (const auto& [name, fd] : HeldMaps())
    if (const std::string pin = MapsDir() + "/" + name;
        ::access(pin.c_str(), F_OK) != 0 && bpf_obj_pin(fd, pin.c_str()))
      return Errno(errno, "pin map " + pin);
  return Ok();
}

Status BpfPolicy::AdoptMaps(const PolicyObject& object) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return Errno(-cpus, "count CPUs");
  BULKHEAD_ASSIGN(tasks_, (BpfMap<uint64_t, task_record>::Adopt(object.MapFd("tasks"), "tasks")));
  BULKHEAD_ASSIGN(policies_, (BpfMap<uint32_t, policy_record>::Adopt(object.MapFd("policies"), "policies")));
  BULKHEAD_ASSIGN(prefixes_, (BpfMap<prefix_key, uint32_t>::Adopt(object.MapFd("prefixes"), "prefixes")));
  BULKHEAD_ASSIGN(lpm_prefixes_,
                  (BpfMap<prefix_lpm_key, uint32_t>::Adopt(object.MapFd("prefixes_lpm"), "prefixes_lpm")));
  BULKHEAD_ASSIGN(classes_, (BpfMap<class_key, class_record>::Adopt(object.MapFd("classes"), "classes")));
  BULKHEAD_ASSIGN(addresses_, (BpfMap<address_key, uint64_t>::Adopt(object.MapFd("addresses"), "addresses")));
  BULKHEAD_ASSIGN(control_, (BpfMap<uint32_t, control_record>::Adopt(object.MapFd("control"), "control")));
  BULKHEAD_ASSIGN(traffic_, BpfCounterMap<traffic_record>::Adopt(object.MapFd("traffic"), "traffic", cpus));
  BULKHEAD_ASSIGN(drops_, BpfCounterMap<drop_record>::Adopt(object.MapFd("drops"), "drops", cpus));
  BULKHEAD_ASSIGN(flows_, HoldMap(object, "flows"));
  BULKHEAD_ASSIGN(udp_flows_, HoldMap(object, "udp_flows"));
  return Ok();
}

// What an earlier process left: counts it, and collects the entries of policies that it had no time to finish.
Status BpfPolicy::CountExisting() {
  BULKHEAD_ASSIGN(const auto control, control_.Lookup(0));
  generation_ = control ? control->generation : 0;
  BULKHEAD_RETURN_IF_ERROR(tasks_.ForEach([&](const uint64_t&, const task_record&) { return ++tasks_used_, true; }));
  BULKHEAD_RETURN_IF_ERROR(
      addresses_.ForEach([&](const address_key&, const uint64_t&) { return ++addresses_used_, true; }));
  BULKHEAD_RETURN_IF_ERROR(
      policies_.ForEach([&](const uint32_t& id, const policy_record&) { return footprints_[id], true; }));
  std::map<uint32_t, Footprint> found;
  BULKHEAD_RETURN_IF_ERROR(prefixes_.ForEach([&](const prefix_key& key, const uint32_t&) {
    found[key.policy_id].prefixes.push_back(key);
    return ++prefixes_used_, true;
  }));
  BULKHEAD_RETURN_IF_ERROR(lpm_prefixes_.ForEach([&](const prefix_lpm_key& key, const uint32_t&) {
    found[key.policy_id].lpm_prefixes.push_back(key);
    return ++lpm_used_, true;
  }));
  BULKHEAD_RETURN_IF_ERROR(classes_.ForEach([&](const class_key& key, const class_record&) {
    found[key.policy_id].classes.push_back(key);
    return ++classes_used_, true;
  }));
  for (auto& [id, footprint] : found) {
    if (const auto installed = footprints_.find(id); installed != footprints_.end())
      installed->second = std::move(footprint);
    else
      BULKHEAD_RETURN_IF_ERROR(DeleteEntries(footprint));
  }
  return RaiseGeneration();
}

Status BpfPolicy::CheckRoom(uint32_t policy_id, const PolicyEntries& entries) const {
  const auto check = [&](const RawBpfMap& map, uint64_t used, uint64_t more) {
    if (used + more <= map.capacity()) return Ok();
    return ResourceExhausted(fmt::format("install {}: map {} holds {} of {} entries, {} more do not fit",
                                         Name(policy_id), map.name(), used, map.capacity(), more));
  };
  BULKHEAD_RETURN_IF_ERROR(check(policies_, footprints_.size(), 1));
  BULKHEAD_RETURN_IF_ERROR(check(prefixes_, prefixes_used_, entries.prefixes.size()));
  BULKHEAD_RETURN_IF_ERROR(check(lpm_prefixes_, lpm_used_, entries.lpm_prefixes.size()));
  return check(classes_, classes_used_, entries.class_keys.size());
}

Status BpfPolicy::InstallPolicy(uint32_t policy_id, const CompiledPolicy& policy) {
  const std::string what = "install " + Name(policy_id);
  if (const auto known = footprints_.find(policy_id); known != footprints_.end()) {
    if (!known->second.retired) return AlreadyExists(fmt::format("{} is installed already", Name(policy_id)));
    // What could not be deleted would be this policy's.
    BULKHEAD_RETURN_IF_ERROR(Annotate(RetirePolicy(policy_id), what));
  }
  auto entries = EncodePolicy(policy_id, policy);
  if (!entries.ok()) return Annotate(entries.status(), what);
  BULKHEAD_RETURN_IF_ERROR(CheckRoom(policy_id, *entries));
  prefixes_used_ += entries->prefixes.size();
  lpm_used_ += entries->lpm_prefixes.size();
  classes_used_ += entries->class_keys.size();
  const Status written = WriteEntries(policy_id, *entries);
  footprints_[policy_id] = {.prefixes = std::move(entries->prefixes),
                            .lpm_prefixes = std::move(entries->lpm_prefixes),
                            .classes = std::move(entries->class_keys)};
  if (!written.ok()) (void)RetirePolicy(policy_id);  // what stays goes before the id is used again
  return Annotate(written, what);
}

Status BpfPolicy::WriteEntries(uint32_t policy_id, const PolicyEntries& entries) {
  BULKHEAD_RETURN_IF_ERROR(classes_.UpdateBatch(entries.class_keys, entries.class_records));
  BULKHEAD_RETURN_IF_ERROR(prefixes_.UpdateBatch(entries.prefixes, entries.prefix_classes));
  BULKHEAD_RETURN_IF_ERROR(lpm_prefixes_.UpdateBatch(entries.lpm_prefixes, entries.lpm_classes));
  return policies_.Update(policy_id, entries.record);
}

// Goes on after a failure; what is left in `footprint` then is still there.
Status BpfPolicy::DeleteEntries(Footprint& footprint) {
  Status first = Ok();
  const auto drop = [&first](const auto& map, auto& keys, uint64_t& used) {
    const Status deleted = map.DeleteAll(keys);
    if (!deleted.ok()) {
      if (first.ok()) first = deleted;
      return;
    }
    used -= keys.size();
    keys.clear();
  };
  drop(prefixes_, footprint.prefixes, prefixes_used_);
  drop(lpm_prefixes_, footprint.lpm_prefixes, lpm_used_);
  drop(classes_, footprint.classes, classes_used_);
  return first;
}

Status BpfPolicy::RetirePolicy(uint32_t policy_id) {
  const auto found = footprints_.find(policy_id);
  if (found == footprints_.end()) return Ok();
  const std::string what = "retire " + Name(policy_id);
  // Without its record the policy denies everything; only then may its entries go.
  BULKHEAD_RETURN_IF_ERROR(Annotate(policies_.Delete(policy_id), what));
  found->second.retired = true;
  const Status deleted = DeleteEntries(found->second);
  const Status raised = RaiseGeneration();
  BULKHEAD_RETURN_IF_ERROR(Annotate(deleted, what));
  BULKHEAD_RETURN_IF_ERROR(Annotate(raised, what));
  footprints_.erase(found);
  return Ok();
}

Result<std::map<uint32_t, CompiledPolicy::Hash>> BpfPolicy::Policies() {
  std::map<uint32_t, CompiledPolicy::Hash> hashes;
  BULKHEAD_RETURN_IF_ERROR(policies_.ForEach([&](const uint32_t& id, const policy_record& record) {
    hashes[id] = {record.hash[0], record.hash[1]};
    return true;
  }));
  return hashes;
}

Status BpfPolicy::BindTask(uint64_t cgroup_id, const TaskBinding& binding, bool fresh) {
  const std::string what = fmt::format("bind cgroup {}", cgroup_id);
  if (binding.slot >= MaxTasks())
    return InvalidArgument(fmt::format("{}: slot {}, there are {}", what, binding.slot, MaxTasks()));
  BULKHEAD_ASSIGN(const auto before, tasks_.Lookup(cgroup_id));
  if (!before && tasks_used_ >= tasks_.capacity())
    return ResourceExhausted(fmt::format("{}: map tasks holds all of its {} entries", what, tasks_.capacity()));
  if (fresh) {
    BULKHEAD_RETURN_IF_ERROR(Annotate(traffic_.Zero(binding.slot), what));
    BULKHEAD_RETURN_IF_ERROR(Annotate(drops_.Zero(binding.slot), what));
  }
  const task_record record{
      .tenant_cgroup_id = binding.tenant_cgroup_id, .policy_id = binding.policy_id, .slot = binding.slot};
  BULKHEAD_RETURN_IF_ERROR(Annotate(tasks_.Update(cgroup_id, record), what));
  if (!before) ++tasks_used_;
  return RaiseGeneration();
}

Status BpfPolicy::UnbindTask(uint64_t cgroup_id) {
  const std::string what = fmt::format("unbind cgroup {}", cgroup_id);
  BULKHEAD_ASSIGN(const auto before, tasks_.Lookup(cgroup_id));
  if (!before) return Ok();
  BULKHEAD_RETURN_IF_ERROR(Annotate(tasks_.Delete(cgroup_id), what));
  --tasks_used_;
  return RaiseGeneration();
}

Result<std::map<uint64_t, TaskBinding>> BpfPolicy::Bindings() {
  std::map<uint64_t, TaskBinding> bindings;
  BULKHEAD_RETURN_IF_ERROR(tasks_.ForEach([&](const uint64_t& cgroup_id, const task_record& record) {
    bindings[cgroup_id] = {record.tenant_cgroup_id, record.policy_id, record.slot};
    return true;
  }));
  return bindings;
}

Status BpfPolicy::SetAddress(const IpAddress& address, uint64_t cgroup_id) {
  const std::string what = "set address " + address.ToString();
  const address_key key = EncodeAddress(address);
  BULKHEAD_ASSIGN(const auto before, addresses_.Lookup(key));
  if (before == cgroup_id) return Ok();
  if (!before && addresses_used_ >= addresses_.capacity())
    return ResourceExhausted(fmt::format("{}: map addresses holds all of its {} entries", what, addresses_.capacity()));
  BULKHEAD_RETURN_IF_ERROR(Annotate(addresses_.Update(key, cgroup_id), what));
  if (!before) ++addresses_used_;
  return RaiseGeneration();
}

Status BpfPolicy::ClearAddress(const IpAddress& address) {
  const address_key key = EncodeAddress(address);
  BULKHEAD_ASSIGN(const auto before, addresses_.Lookup(key));
  if (!before) return Ok();
  BULKHEAD_RETURN_IF_ERROR(Annotate(addresses_.Delete(key), "clear address " + address.ToString()));
  --addresses_used_;
  return RaiseGeneration();
}

Result<std::map<IpAddress, uint64_t>> BpfPolicy::Addresses() {
  std::map<IpAddress, uint64_t> addresses;
  BULKHEAD_RETURN_IF_ERROR(addresses_.ForEach([&](const address_key& key, const uint64_t& cgroup_id) {
    addresses[DecodeAddress(key)] = cgroup_id;
    return true;
  }));
  return addresses;
}

Status BpfPolicy::RaiseGeneration() {
  // From what the kernel holds: a number that was used before would revive verdicts of that time.
  BULKHEAD_ASSIGN(const auto control, control_.Lookup(0));
  generation_ = std::max<uint64_t>(generation_, control ? control->generation : 0) + 1;
  if (static_cast<uint32_t>(generation_) == 0) ++generation_;
  return control_.Update(0, control_record{.generation = generation_});
}

Result<std::array<std::array<uint64_t, kDropReasons>, 2>> BpfPolicy::ReadDrops(uint32_t slot) {
  std::array<std::array<uint64_t, kDropReasons>, 2> sum{};
  BULKHEAD_ASSIGN(const std::vector<drop_record>* per_cpu, drops_.Read(slot));
  for (const drop_record& record : *per_cpu)
    for (size_t direction = 0; direction < 2; ++direction)
      for (size_t reason = 0; reason < kDropReasons; ++reason)
        sum[direction][reason] += record.packets[direction][reason];
  return sum;
}

Result<NetworkCounters> BpfPolicy::ReadCounters(uint32_t slot) {
  if (slot >= MaxTasks()) return InvalidArgument(fmt::format("read counters: slot {}, there are {}", slot, MaxTasks()));
  NetworkCounters counters;
  BULKHEAD_ASSIGN(counters.dropped, ReadDrops(slot));
  BULKHEAD_ASSIGN(const std::vector<traffic_record>* per_cpu, traffic_.Read(slot));
  for (const traffic_record& record : *per_cpu) {
    for (size_t direction = 0; direction < 2; ++direction) {
      for (size_t scope = 0; scope < kScopes; ++scope) {
        counters.passed[direction][scope].bytes += record.passed[direction][scope].bytes;
        counters.passed[direction][scope].packets += record.passed[direction][scope].packets;
      }
    }
  }
  return counters;
}

Result<NetworkCounters> BpfPolicy::ReadUnknown() {
  NetworkCounters counters;
  BULKHEAD_ASSIGN(counters.dropped, ReadDrops(DROP_SLOT_UNKNOWN));
  return counters;
}

std::vector<MapUse> BpfPolicy::Use() {
  return {{"tasks", tasks_used_, tasks_.capacity()},          {"policies", footprints_.size(), policies_.capacity()},
          {"prefixes", prefixes_used_, prefixes_.capacity()}, {"prefixes_lpm", lpm_used_, lpm_prefixes_.capacity()},
          {"classes", classes_used_, classes_.capacity()},    {"addresses", addresses_used_, addresses_.capacity()}};
}

}  // namespace bulkhead
