#include "agent/model/ids.h"

#include <algorithm>

#include <fmt/format.h>

namespace bulkhead {

Status ValidateName(const std::string& name, const std::string& field) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool valid = !name.empty() && name.size() <= 63 && alphanumeric(name.front()) && alphanumeric(name.back()) &&
                     std::all_of(name.begin(), name.end(), [&](char c) { return alphanumeric(c) || c == '-'; });
  if (valid) return Ok();
  return InvalidArgument(
      fmt::format("{}: \"{}\" is not a name: use 1 to 63 of a-z, 0-9 and '-', with a letter or digit first and last",
                  field, name.substr(0, 80)));
}

Result<TaskId> ParseTaskId(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return InvalidArgument(fmt::format("\"{}\": a task is named TENANT/TASK", text));
  TaskId id{text.substr(0, slash), text.substr(slash + 1)};
  BULKHEAD_RETURN_IF_ERROR(ValidateName(id.tenant, "tenant"));
  BULKHEAD_RETURN_IF_ERROR(ValidateName(id.name, "task"));
  return id;
}

CgroupPath PathOf(const TenantId& tenant) { return {tenant.name}; }
CgroupPath PathOf(const TaskId& task) { return {task.ToString()}; }

}  // namespace bulkhead
