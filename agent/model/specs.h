// Desired state as plain values: what the operator asked for.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "agent/model/ids.h"
#include "agent/model/ip_prefix.h"
#include "agent/model/limit_spec.h"
#include "agent/model/network_policy.h"

namespace bulkhead {

struct TenantSpec {
  TenantId id;
  Labels labels;
  LimitSpec limits;  // around all tasks of the tenant together
  bool operator==(const TenantSpec&) const = default;
};

struct TaskSpec {
  TaskId id;
  Labels labels;
  LimitSpec limits;
  // Addresses of the task's own network namespace. Empty: the task uses the host's network or its addresses are
  // unknown.
  std::vector<IpAddress> addresses;
  bool operator==(const TaskSpec&) const = default;
};

using ObjectSpec = std::variant<TenantSpec, TaskSpec, PolicySpec>;

// The whole of what a node should enforce. Invariant: every task and policy names a tenant that is present.
struct DesiredState {
  std::map<TenantId, TenantSpec> tenants;
  std::map<TaskId, TaskSpec> tasks;
  std::map<PolicyId, PolicySpec> policies;
  bool operator==(const DesiredState&) const = default;
};

}  // namespace bulkhead
