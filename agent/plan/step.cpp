#include "agent/plan/step.h"

#include <fmt/format.h>

#include "agent/base/overload.h"

namespace bulkhead {

std::string ToString(const Step& step) {
  return std::visit(
      Overload{
          [](const CreateCgroup& s) { return fmt::format("{}: create cgroup", s.path.value); },
          [](const SetLimit& s) {
            return fmt::format("{}: {} = {}", s.path.value, ToString(s.id), ToString(s.id, s.value));
          },
          [](const InstallPolicy& s) {
            return fmt::format("install policy {} ({} prefixes)", s.policy_id, s.policy->prefixes.size());
          },
          [](const BindTask& s) { return fmt::format("{}: bind policy {}", s.path.value, s.policy_id); },
          [](const UnbindTask& s) {
            return fmt::format("{}: unbind policy",
                               s.path.value.empty() ? fmt::format("cgroup {}", s.cgroup_id) : s.path.value);
          },
          [](const SetAddress& s) { return fmt::format("{}: own address {}", s.path.value, s.address.ToString()); },
          [](const ClearAddress& s) { return fmt::format("release address {}", s.address.ToString()); },
          [](const RetirePolicy& s) { return fmt::format("retire policy {}", s.policy_id); },
          [](const MoveProcess& s) { return fmt::format("{}: move process {} in", s.path.value, s.pid); },
          [](const KillCgroup& s) { return fmt::format("{}: kill all processes", s.path.value); },
          [](const RemoveCgroup& s) { return fmt::format("{}: remove cgroup", s.path.value); }},
      step);
}

}  // namespace bulkhead
