#include "agent/engine/validate.h"

#include <map>
#include <set>

#include <fmt/format.h>

#include "agent/base/overload.h"
#include "agent/plan/policy_compiler.h"

namespace bulkhead {
namespace {

constexpr LimitKind kCeilings[] = {LimitKind::kCpuMax, LimitKind::kMemoryMax, LimitKind::kPidsMax};

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
    BULKHEAD_RETURN_IF_ERROR(CheckLimits(tenant.limits));
    for (auto at = target_.tasks.lower_bound({tenant.id.name, ""});
         at != target_.tasks.end() && at->first.tenant == tenant.id.name; ++at)
      for (LimitKind kind : kCeilings)
        if (Exceeds(at->second.limits.Get(kind), tenant.limits.Get(kind)))
          return InvalidArgument(fmt::format("limits.{}: {} is below the {} of its task {}", LimitName(kind),
                                             *tenant.limits.Get(kind), *at->second.limits.Get(kind),
                                             at->first.ToString()));
    return Ok();
  }

  Status Check(const TaskSpec& task) const {
    BULKHEAD_RETURN_IF_ERROR(ValidateName(task.id.tenant, "tenant"));
    BULKHEAD_RETURN_IF_ERROR(ValidateName(task.id.name, "name"));
    BULKHEAD_ASSIGN(const TenantSpec* tenant, TenantOf(task.id.tenant));
    BULKHEAD_RETURN_IF_ERROR(CheckLimits(task.limits));
    for (LimitKind kind : kCeilings)
      if (Exceeds(task.limits.Get(kind), tenant->limits.Get(kind)))
        return InvalidArgument(fmt::format("limits.{}: {} is above the {} of tenant {} and could never take effect",
                                           LimitName(kind), *task.limits.Get(kind), *tenant->limits.Get(kind),
                                           tenant->id.name));
    return CheckAddresses(task);
  }

  Status Check(const PolicySpec& policy) const {
    BULKHEAD_RETURN_IF_ERROR(ValidateName(policy.id.tenant, "tenant"));
    BULKHEAD_RETURN_IF_ERROR(ValidateName(policy.id.name, "name"));
    return TenantOf(policy.id.tenant).status();
  }

 private:
  static bool Exceeds(std::optional<uint64_t> inner, std::optional<uint64_t> outer) {
    return inner && outer && *inner > *outer;
  }

  Result<const TenantSpec*> TenantOf(const std::string& name) const {
    const auto found = target_.tenants.find({name});
    if (found == target_.tenants.end()) return NotFound(fmt::format("tenant: there is no tenant {}", name));
    return &found->second;
  }

  Status CheckLimits(const Limits& limits) const {
    BULKHEAD_RETURN_IF_ERROR(ValidateLimits(limits, "limits"));
    for (LimitKind kind : kAllLimits) {
      if (!limits.Get(kind)) continue;
      const std::string why = host_.unsupported(kind);
      if (!why.empty())
        return FailedPrecondition(fmt::format("limits.{}: this host cannot enforce it: {}", LimitName(kind), why));
    }
    return Ok();
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
