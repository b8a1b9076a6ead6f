// Names of things. A name is checked here before anything else sees it: it becomes a cgroup directory, and libcgroup
// would follow "..".
#pragma once

#include <compare>
#include <string>

#include "agent/base/status.h"

namespace bulkhead {

// [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?  InvalidArgument names `field` and says what is wrong.
Status ValidateName(const std::string& name, const std::string& field);

struct TenantId {
  std::string name;
  auto operator<=>(const TenantId&) const = default;
};

struct TaskId {
  std::string tenant;
  std::string name;
  std::string ToString() const { return tenant + "/" + name; }
  auto operator<=>(const TaskId&) const = default;
};

// "acme/web-1" → TaskId; InvalidArgument otherwise.
Result<TaskId> ParseTaskId(const std::string& text);

// A policy belongs to a tenant. "acme/web".
struct PolicyId {
  std::string tenant;
  std::string name;
  std::string ToString() const { return tenant + "/" + name; }
  auto operator<=>(const PolicyId&) const = default;
};

// Where a cgroup lies below Bulkhead's top cgroup: "" (the top itself), "acme", "acme/web-1".
struct CgroupPath {
  std::string value;
  auto operator<=>(const CgroupPath&) const = default;
};
CgroupPath PathOf(const TenantId& tenant);
CgroupPath PathOf(const TaskId& task);

}  // namespace bulkhead
