// One change to the kernel. A plan is a list of these: what --dry-run prints, what the executor performs in order, what
// tests assert.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "agent/model/compiled_policy.h"
#include "agent/model/ids.h"
#include "agent/model/limit_spec.h"
#include "agent/model/limits.h"

namespace bulkhead {

struct CreateCgroup {
  CgroupPath path;
  bool operator==(const CreateCgroup&) const = default;
};
struct SetLimit {
  CgroupPath path;
  LimitId id;
  std::optional<LimitValue> value;     // as the kernel will hold it; nullopt = lift the limit (weights: the default)
  std::optional<LimitValue> previous;  // what the kernel has now; undo puts it back
  OnShrink on_shrink{};                // for a memory.max that is lowered
  bool operator==(const SetLimit&) const = default;
};
struct InstallPolicy {
  uint32_t policy_id = 0;
  std::shared_ptr<const CompiledPolicy> policy;
  CompiledPolicy::Hash hash{};  // of policy
  bool operator==(const InstallPolicy&) const = default;
};
// The flip: from here on the task's packets are judged by this policy. Needs the cgroups of the task and its tenant.
struct BindTask {
  CgroupPath path;
  uint32_t policy_id = 0;
  uint32_t slot = 0;
  bool fresh = false;  // the slot's counters start at zero
  bool operator==(const BindTask&) const = default;
};
struct UnbindTask {
  CgroupPath path;  // for people; the cgroup may be gone
  uint64_t cgroup_id = 0;
  bool operator==(const UnbindTask&) const = default;
};
// The address belongs to this task: packets from it are taken as the task's, and no other task may send from it.
struct SetAddress {
  IpAddress address;
  CgroupPath path;
  bool operator==(const SetAddress&) const = default;
};
struct ClearAddress {
  IpAddress address;
  bool operator==(const ClearAddress&) const = default;
};
struct RetirePolicy {
  uint32_t policy_id = 0;
  bool operator==(const RetirePolicy&) const = default;
};
struct MoveProcess {
  CgroupPath path;
  int pid = 0;
  bool operator==(const MoveProcess&) const = default;
};
struct KillCgroup {  // every process below it, fork bombs included
  CgroupPath path;
  bool operator==(const KillCgroup&) const = default;
};
struct RemoveCgroup {  // with whatever cgroups the task made inside
  CgroupPath path;
  bool operator==(const RemoveCgroup&) const = default;
};

using Step = std::variant<CreateCgroup, SetLimit, InstallPolicy, BindTask, UnbindTask, SetAddress, ClearAddress,
                          RetirePolicy, MoveProcess, KillCgroup, RemoveCgroup>;

// By Step::index().
inline constexpr std::array kStepKinds = {"create_cgroup", "set_limit",   "install_policy", "bind_task",
                                          "unbind_task",   "set_address", "clear_address",  "retire_policy",
                                          "move_process",  "kill_cgroup", "remove_cgroup"};
static_assert(kStepKinds.size() == std::variant_size_v<Step>);

std::string ToString(const Step& step);  // "acme/web-1: memory.max = 268435456"

}  // namespace bulkhead
