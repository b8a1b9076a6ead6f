#include "tests/kernel/mutation_gate.h"

#include <signal.h>

#include <fmt/format.h>

namespace bulkhead::test {

void MutationGate::Arm(Fault fault, uint64_t n, int error) {
  fault_ = fault;
  left_ = n;
  error_ = error;
  fired_at_.clear();
}

Status MutationGate::Before(const std::string& what) {
  if (fault_ == Fault::kNone || left_ == 0 || --left_ > 0) return Ok();
  if (fault_ == Fault::kKillBefore) ::raise(SIGKILL);
  fired_at_ = what;
  return fault_ == Fault::kFailBefore ? Errno(error_, what) : Ok();
}

Status MutationGate::After(const std::string& what) {
  if (fired_at_.empty() || left_ > 0) return Ok();
  if (fault_ == Fault::kKillAfter) ::raise(SIGKILL);
  if (fault_ != Fault::kFailAfter) return Ok();
  fault_ = Fault::kNone;
  return Errno(error_, what);
}

void MutationGate::KillPoint(const std::string& what) {
  if (fault_ != Fault::kKillBefore && fault_ != Fault::kKillAfter) return;
  (void)Before(what);
  (void)After(what);
}

Status GatedTree::Create(const CgroupPath& path) {
  return gate_.Pass(path.value + ": create", [&] { return tree_.Create(path); });
}
Result<std::optional<LimitValue>> GatedTree::SetLimit(const CgroupPath& path, const LimitId& id,
                                                      const std::optional<LimitValue>& value) {
  return gate_.Pass(fmt::format("{}: {}", path.value, ToString(id)), [&] { return tree_.SetLimit(path, id, value); });
}
Status GatedTree::Attach(const CgroupPath& path, int pid) {
  return gate_.Pass(path.value + ": attach", [&] { return tree_.Attach(path, pid); });
}
Status GatedTree::Kill(const CgroupPath& path, std::chrono::milliseconds timeout) {
  return gate_.Pass(path.value + ": kill", [&] { return tree_.Kill(path, timeout); });
}
Status GatedTree::Remove(const CgroupPath& path) {
  return gate_.Pass(path.value + ": remove", [&] { return tree_.Remove(path); });
}

Status GatedMaps::Attach() {
  return gate_.Pass("attach programs", [&] { return maps_.Attach(); });
}
Status GatedMaps::InstallPolicy(uint32_t policy_id, const CompiledPolicy& policy) {
  return gate_.Pass(fmt::format("install policy {}", policy_id),
                    [&] { return maps_.InstallPolicy(policy_id, policy); });
}
Status GatedMaps::RetirePolicy(uint32_t policy_id) {
  return gate_.Pass(fmt::format("retire policy {}", policy_id), [&] { return maps_.RetirePolicy(policy_id); });
}
Status GatedMaps::BindTask(uint64_t cgroup_id, const TaskBinding& binding, bool fresh) {
  return gate_.Pass(fmt::format("bind cgroup {}", cgroup_id),
                    [&] { return maps_.BindTask(cgroup_id, binding, fresh); });
}
Status GatedMaps::UnbindTask(uint64_t cgroup_id) {
  return gate_.Pass(fmt::format("unbind cgroup {}", cgroup_id), [&] { return maps_.UnbindTask(cgroup_id); });
}
Status GatedMaps::SetAddress(const IpAddress& address, uint64_t cgroup_id) {
  return gate_.Pass("set address " + address.ToString(), [&] { return maps_.SetAddress(address, cgroup_id); });
}
Status GatedMaps::ClearAddress(const IpAddress& address) {
  return gate_.Pass("clear address " + address.ToString(), [&] { return maps_.ClearAddress(address); });
}

}  // namespace bulkhead::test
