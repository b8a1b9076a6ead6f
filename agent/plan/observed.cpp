#include "agent/plan/observed.h"

#include "agent/base/overload.h"

namespace bulkhead {
namespace {

template <typename Map, typename Key>
auto Find(const Map& map, const Key& key) -> const typename Map::mapped_type* {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

CgroupPath ParentOf(const CgroupPath& path) {
  const auto slash = path.value.rfind('/');
  return {slash == std::string::npos ? "" : path.value.substr(0, slash)};
}

}  // namespace

const ObservedCgroup* Observed::Cgroup(const CgroupPath& path) const { return Find(cgroups_, path); }
const TaskBinding* Observed::Binding(uint64_t cgroup_id) const { return Find(bindings_, cgroup_id); }

std::optional<uint32_t> Observed::PolicyWith(const Hash& hash) const {
  const auto* ids = Find(policies_by_hash_, hash);
  return ids ? std::optional(*ids->begin()) : std::nullopt;
}

uint32_t Observed::UsersOf(uint32_t policy_id) const {
  const auto* users = Find(users_, policy_id);
  return users ? *users : 0;
}

std::set<IpAddress> Observed::AddressesOf(uint64_t cgroup_id) const {
  const auto* addresses = Find(addresses_by_cgroup_, cgroup_id);
  return addresses ? *addresses : std::set<IpAddress>{};
}

std::optional<uint64_t> Observed::OwnerOf(const IpAddress& address) const {
  const auto* owner = Find(addresses_, address);
  return owner ? std::optional(*owner) : std::nullopt;
}

std::optional<CgroupPath> Observed::PathOfId(uint64_t cgroup_id) const {
  const auto* path = Find(paths_, cgroup_id);
  return path ? std::optional(*path) : std::nullopt;
}

void Observed::SetCgroup(const CgroupPath& path, const ObservedCgroup& cgroup) {
  if (const auto* old = Cgroup(path)) paths_.erase(old->id);
  cgroups_[path] = cgroup;
  paths_[cgroup.id] = path;
}

void Observed::EraseCgroup(const CgroupPath& path) {
  const std::string below = path.value + "/";
  for (auto at = cgroups_.lower_bound(path); at != cgroups_.end();) {
    if (at->first == path || at->first.value.starts_with(below)) {
      paths_.erase(at->second.id);
      at = cgroups_.erase(at);
    } else if (at->first.value.starts_with(path.value)) {
      ++at;  // "acme-2" sorts between "acme" and "acme/web"
    } else {
      break;
    }
  }
}

void Observed::SetBinding(uint64_t cgroup_id, const TaskBinding& binding) {
  EraseBinding(cgroup_id);
  bindings_[cgroup_id] = binding;
  ++users_[binding.policy_id];
  slots_.Take(binding.slot);
}

void Observed::EraseBinding(uint64_t cgroup_id) {
  const auto found = bindings_.find(cgroup_id);
  if (found == bindings_.end()) return;
  if (--users_[found->second.policy_id] == 0) users_.erase(found->second.policy_id);
  slots_.Free(found->second.slot);
  bindings_.erase(found);
}

void Observed::SetPolicy(uint32_t policy_id, const Hash& hash) {
  ErasePolicy(policy_id);
  policies_[policy_id] = hash;
  policies_by_hash_[hash].insert(policy_id);
  policy_ids_.Take(policy_id);
}

void Observed::ErasePolicy(uint32_t policy_id) {
  const auto found = policies_.find(policy_id);
  if (found == policies_.end()) return;
  auto& same = policies_by_hash_[found->second];
  same.erase(policy_id);
  if (same.empty()) policies_by_hash_.erase(found->second);
  policies_.erase(found);
  policy_ids_.Free(policy_id);
}

void Observed::SetAddress(const IpAddress& address, uint64_t cgroup_id) {
  EraseAddress(address);
  addresses_[address] = cgroup_id;
  addresses_by_cgroup_[cgroup_id].insert(address);
}

void Observed::EraseAddress(const IpAddress& address) {
  const auto found = addresses_.find(address);
  if (found == addresses_.end()) return;
  auto& same = addresses_by_cgroup_[found->second];
  same.erase(address);
  if (same.empty()) addresses_by_cgroup_.erase(found->second);
  addresses_.erase(found);
}

void Observed::Apply(const Step& step, uint64_t new_cgroup_id) {
  const auto id_of = [&](const CgroupPath& path) {
    const auto* cgroup = Cgroup(path);
    return cgroup ? cgroup->id : 0;
  };
  std::visit(Overload{[&](const CreateCgroup& s) { SetCgroup(s.path, {.id = new_cgroup_id}); },
                      [&](const SetLimit& s) {
                        if (const auto found = cgroups_.find(s.path); found != cgroups_.end())
                          found->second.limits.Set(s.id, s.value);
                      },
                      [&](const InstallPolicy& s) { SetPolicy(s.policy_id, s.hash); },
                      [&](const BindTask& s) {
                        SetBinding(id_of(s.path), {id_of(ParentOf(s.path)), s.policy_id, s.slot});
                      },
                      [&](const UnbindTask& s) { EraseBinding(s.cgroup_id); },
                      [&](const bulkhead::SetAddress& s) { SetAddress(s.address, id_of(s.path)); },
                      [&](const ClearAddress& s) { EraseAddress(s.address); },
                      [&](const RetirePolicy& s) { ErasePolicy(s.policy_id); },
                      [&](const MoveProcess& s) {
                        if (const auto found = cgroups_.find(s.path); found != cgroups_.end())
                          found->second.populated = true;
                      },
                      [&](const KillCgroup& s) {
                        if (const auto found = cgroups_.find(s.path); found != cgroups_.end())
                          found->second.populated = false;
                      },
                      [&](const RemoveCgroup& s) { EraseCgroup(s.path); }},
             step);
}

}  // namespace bulkhead
