#include "agent/rpc/convert.h"

#include <set>

#include <fmt/format.h>

#include "agent/base/overload.h"
#include "agent/rpc/convert_parts.h"

namespace bulkhead {
namespace {

// 127.0.0.0/8, ::1, 0.0.0.0/8, ::, multicast and broadcast name no task.
Status CheckTaskAddress(const IpAddress& address, const std::string& field) {
  static const std::pair<const char*, const char*> kRefused[] = {
      {"127.0.0.0/8", "a loopback address"},     {"::1/128", "a loopback address"},
      {"0.0.0.0/8", "the unspecified address"},  {"::/128", "the unspecified address"},
      {"224.0.0.0/4", "a multicast address"},    {"ff00::/8", "a multicast address"},
      {"255.255.255.255", "a broadcast address"}};
  for (const auto& [prefix, what] : kRefused)
    if (ParsePrefix(prefix)->Contains(address))
      return InvalidArgument(fmt::format("{}: {} is {}: give the address of the task's own network namespace", field,
                                         address.ToString(), what));
  return Ok();
}

Result<std::vector<IpAddress>> DecodeAddresses(const v1::Task& task) {
  std::vector<IpAddress> addresses;
  std::set<IpAddress> seen;
  for (int i = 0; i < task.addresses_size(); ++i) {
    const std::string field = fmt::format("addresses[{}]", i);
    const std::string& text = task.addresses(i);
    auto address = ParseAddress(text);
    if (!address.ok() || text.find('\0') != std::string::npos)
      return InvalidArgument(fmt::format("{}: \"{}\" is not an IP address", field, Printable(text)));
    BULKHEAD_RETURN_IF_ERROR(CheckTaskAddress(*address, field));
    if (!seen.insert(*address).second)
      return InvalidArgument(fmt::format("{}: {} is listed twice", field, address->ToString()));
    addresses.push_back(*address);
  }
  return addresses;
}

Result<TenantSpec> DecodeTenant(const v1::Tenant& tenant) {
  TenantSpec spec;
  spec.id = {tenant.name()};
  BULKHEAD_RETURN_IF_ERROR(ValidateName(spec.id.name, "name"));
  BULKHEAD_ASSIGN(spec.labels, DecodeLabels(tenant.labels(), "labels"));
  BULKHEAD_ASSIGN(spec.limits, DecodeLimits(tenant.limits(), "limits"));
  return spec;
}

Result<TaskSpec> DecodeTask(const v1::Task& task) {
  TaskSpec spec;
  spec.id = {task.tenant(), task.name()};
  BULKHEAD_RETURN_IF_ERROR(ValidateName(spec.id.tenant, "tenant"));
  BULKHEAD_RETURN_IF_ERROR(ValidateName(spec.id.name, "name"));
  BULKHEAD_ASSIGN(spec.labels, DecodeLabels(task.labels(), "labels"));
  BULKHEAD_ASSIGN(spec.limits, DecodeLimits(task.limits(), "limits"));
  BULKHEAD_ASSIGN(spec.addresses, DecodeAddresses(task));
  return spec;
}

template <typename T>
Result<ObjectSpec> Named(Result<T> spec, const std::string& object) {
  if (!spec.ok()) return Annotate(spec.status(), object);
  return ObjectSpec(*std::move(spec));
}

}  // namespace

Result<ObjectSpec> DecodeObject(const v1::Object& object) {
  const auto name = [](const char* kind, const auto& spec) {
    return fmt::format("{} {}/{}", kind, Printable(spec.tenant()), Printable(spec.name()));
  };
  switch (object.kind_case()) {
    case v1::Object::kTenant:
      return Named(DecodeTenant(object.tenant()), "tenant " + Printable(object.tenant().name()));
    case v1::Object::kTask:
      return Named(DecodeTask(object.task()), name("task", object.task()));
    case v1::Object::kNetworkPolicy:
      return Named(DecodePolicy(object.network_policy()), name("policy", object.network_policy()));
    case v1::Object::KIND_NOT_SET:
      break;
  }
  return InvalidArgument("object: kind is not set: give a tenant, a task or a network_policy");
}

v1::Tenant EncodeTenant(const TenantSpec& spec) {
  v1::Tenant tenant;
  tenant.set_name(spec.id.name);
  EncodeLabels(spec.labels, *tenant.mutable_labels());
  if (spec.limits != LimitSpec{}) *tenant.mutable_limits() = EncodeLimits(spec.limits);
  return tenant;
}

v1::Task EncodeTask(const TaskSpec& spec) {
  v1::Task task;
  task.set_tenant(spec.id.tenant);
  task.set_name(spec.id.name);
  EncodeLabels(spec.labels, *task.mutable_labels());
  if (spec.limits != LimitSpec{}) *task.mutable_limits() = EncodeLimits(spec.limits);
  for (const IpAddress& address : spec.addresses) task.add_addresses(address.ToString());
  return task;
}

v1::Object EncodeObject(const ObjectSpec& spec) {
  v1::Object object;
  std::visit(Overload{[&](const TenantSpec& tenant) { *object.mutable_tenant() = EncodeTenant(tenant); },
                      [&](const TaskSpec& task) { *object.mutable_task() = EncodeTask(task); },
                      [&](const PolicySpec& policy) { *object.mutable_network_policy() = EncodePolicy(policy); }},
             spec);
  return object;
}

std::string EncodeSpec(const ObjectSpec& spec) { return EncodeObject(spec).SerializeAsString(); }

Result<ObjectSpec> DecodeSpec(const std::string& bytes) {
  v1::Object object;
  if (!object.ParseFromString(bytes))
    return InvalidArgument(fmt::format("stored object of {} bytes: not a bulkhead.v1.Object", bytes.size()));
  return DecodeObject(object);
}

}  // namespace bulkhead
