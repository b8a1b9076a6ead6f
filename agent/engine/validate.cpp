#include "agent/engine/validate.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "agent/base/overload.h"
#include "agent/model/limit_levels.h"
#include "agent/plan/policy_compiler.h"

namespace bulkhead {
namespace {

// Addresses that mean another thing on every host, or that no task may ever claim.
bool IsReserved(const IpAddress& address) {
  static const std::vector<IpPrefix> reserved = [] {
    std::vector<IpPrefix> prefixes = {MetadataV4(), MetadataV6()};
    for (const char* text : {"127.0.0.0/8", "0.0.0.0/32", "224.0.0.0/4", "::1/128", "::/128", "ff00::/8"})
      prefixes.push_back(*ParsePrefix(text));
    return prefixes;
  }();
  for (const IpPrefix& prefix : reserved)
    if (prefix.Contains(address)) return true;
  return false;
}

class Validator {
 public:
  Validator(const DesiredState& target, const ValidationHost& host) : target_(target), host_(host) {
    for (const auto& [id, task] : target_.tasks)
      for (const IpAddress& address : task.addresses) owners_[address].push_back(id);
  }

  Status Check(const TenantSpec& tenant) const {
    BULKHEAD_RETURN_IF_ERROR(ValidateName(tenant.id.name, "name"));
    BULKHEAD_ASSIGN(const Limits limits, CheckLimits(PathOf(tenant.id), tenant.limits));
    for (auto at = target_.tasks.lower_bound({tenant.id.name, ""});
         at != target_.tasks.end() && at->first.tenant == tenant.id.name; ++at)
      for (const auto& [id, inner] : AskedLimits(at->second.limits, host_.disks))
        if (const LimitValue* outer = limits.Find(id); outer && Exceeds(id, inner, *outer))
          return InvalidArgument(fmt::format("limits.{}: {} is below the {} of its task {}", ToString(id),
                                             ToString(id, *outer), ToString(id, inner), at->first.ToString()));
    return CheckGuarantee(tenant);
  }

  Status Check(const TaskSpec& task) const {
    BULKHEAD_RETURN_IF_ERROR(ValidateName(task.id.tenant, "tenant"));
    BULKHEAD_RETURN_IF_ERROR(ValidateName(task.id.name, "name"));
    BULKHEAD_ASSIGN(const TenantSpec* tenant, TenantOf(task.id.tenant));
    BULKHEAD_ASSIGN(const Limits limits, CheckLimits(PathOf(task.id), task.limits));
    const Limits above = AskedLimits(tenant->limits, host_.disks);
    for (const auto& [id, inner] : limits)
      if (const LimitValue* outer = above.Find(id); outer && Exceeds(id, inner, *outer))
        return InvalidArgument(fmt::format("limits.{}: {} is above the {} of tenant {} and could never take effect",
                                           ToString(id), ToString(id, inner), ToString(id, *outer), tenant->id.name));
    return CheckAddresses(task);
  }

  Status Check(const PolicySpec& policy) const {
    BULKHEAD_RETURN_IF_ERROR(ValidateName(policy.id.tenant, "tenant"));
    BULKHEAD_RETURN_IF_ERROR(ValidateName(policy.id.name, "name"));
    return TenantOf(policy.id.tenant).status();
  }

 private:
  // Walls that the tenant's makes meaningless. Of protections the kernel gives what the tenant's allows.
  static bool Exceeds(const LimitId& id, const LimitValue& inner, const LimitValue& outer) {
    const LimitTraits& traits = TraitsOf(id.kind);
    if (traits.shape == LimitShape::kSet) return !outer.set().Contains(inner.set());
    return traits.wider == WiderIs::kLarger && !traits.neutral && inner.number() > outer.number();
  }

  Result<const TenantSpec*> TenantOf(const std::string& name) const {
    const auto found = target_.tenants.find({name});
    if (found == target_.tenants.end()) return NotFound(fmt::format("tenant: there is no tenant {}", name));
    return &found->second;
  }

  uint64_t GuaranteeOf(const TenantSpec& tenant) const {
    Limits enforced;
    for (const LimitKind kind : {LimitKind::kMemoryLow, LimitKind::kMemoryMin})
      if (host_.weakness(PathOf(tenant.id), kind, tenant.limits.values).empty())
        enforced.Set(kind, tenant.limits.values.Get(kind));
    return GuaranteedMemory(enforced);
  }

  // A task's guarantees come out of its tenant's.
  Status CheckGuarantee(const TenantSpec& tenant) const {
    const uint64_t wanted = GuaranteeOf(tenant);
    uint64_t others = 0;
    for (const auto& [id, other] : target_.tenants)
      if (id != tenant.id) others += GuaranteeOf(other);
    const uint64_t free = host_.memory_bytes - std::min(host_.memory_bytes, host_.reserved_bytes);
    const uint64_t left = free - std::min(free, others);
    if (wanted <= left) return Ok();
    const bool by_low = tenant.limits.values.Number(LimitKind::kMemoryLow) == wanted;
    return ResourceExhausted(fmt::format(
        "limits.memory.{}: {} bytes cannot be guaranteed: of the {} of this host {} are reserved and {} guaranteed to "
        "other tenants, which leaves {}",
        by_low ? "low" : "min", wanted, host_.memory_bytes, host_.reserved_bytes, others, left));
  }

  // With those of disks.
  Result<Limits> CheckLimits(const CgroupPath& path, const LimitSpec& spec) const {
    BULKHEAD_RETURN_IF_ERROR(ValidateLimitSpec(spec, "limits"));
    const Limits limits = AskedLimits(spec, host_.disks);
    for (const auto& [id, value] : limits) {
      if (!spec.Requires(id.kind)) continue;
      const std::string why = host_.weakness(path, id, limits);
      if (!why.empty())
        return FailedPrecondition(
            fmt::format("limits.{}: required, but this host cannot enforce it: {}", ToString(id), why));
    }
    return limits;
  }

  Status CheckAddresses(const TaskSpec& task) const {
    for (const IpAddress& address : task.addresses) {
      if (IsReserved(address))
        return InvalidArgument(fmt::format("addresses: {} cannot belong to a task", address.ToString()));
      const auto& owners = owners_.at(address);
      if (owners.size() < 2) continue;
      const TaskId& other = owners[0] == task.id ? owners[1] : owners[0];
      if (other == task.id) return InvalidArgument(fmt::format("addresses: {} is there twice", address.ToString()));
      return InvalidArgument(fmt::format("addresses: {} belongs to task {}", address.ToString(), other.ToString()));
    }
    return Ok();
  }

  const DesiredState& target_;
  const ValidationHost& host_;
  std::map<IpAddress, std::vector<TaskId>> owners_;
};

}  // namespace

Status CheckDuplicates(const std::vector<ObjectSpec>& objects) {
  std::set<ObjectKey> seen;
  for (const ObjectSpec& object : objects)
    if (const ObjectKey key = KeyOf(object); !seen.insert(key).second)
      return InvalidArgument(fmt::format("{} {}: is in the request twice", key.kind, key.name));
  return Ok();
}

Status ValidateObjects(const std::vector<ObjectSpec>& objects, const DesiredState& target, const ValidationHost& host) {
  const Validator validator(target, host);
  for (const ObjectSpec& object : objects) {
    const ObjectKey key = KeyOf(object);
    const Status status = std::visit([&](const auto& spec) { return validator.Check(spec); }, object);
    BULKHEAD_RETURN_IF_ERROR(Annotate(status, key.kind + " " + key.name));
  }
  if (target.tasks.size() > host.max_tasks)
    return ResourceExhausted(
        fmt::format("{} tasks: the data plane of this node holds {}", target.tasks.size(), host.max_tasks));
  return Ok();
}

}  // namespace bulkhead
