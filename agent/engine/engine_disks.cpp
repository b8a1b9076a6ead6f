// From the paths that specs name to disks.
#include <set>
#include <utility>

#include <fmt/format.h>

#include "agent/base/overload.h"
#include "agent/engine/engine.h"

namespace bulkhead {
namespace {

const LimitSpec* LimitsOf(const ObjectSpec& object) {
  return std::visit(Overload{[](const TenantSpec& spec) -> const LimitSpec* { return &spec.limits; },
                             [](const TaskSpec& spec) -> const LimitSpec* { return &spec.limits; },
                             [](const PolicySpec&) -> const LimitSpec* { return nullptr; }},
                    object);
}

}  // namespace

// Those known, and those of `objects` looked at anew. A path on no disk is an error: there is nothing to limit.
Result<Disks> Engine::FindDisks(const std::vector<ObjectSpec>& objects) const {
  Disks disks = disks_;
  for (const ObjectSpec& object : objects) {
    const LimitSpec* limits = LimitsOf(object);
    if (!limits) continue;
    std::set<DiskId> seen;
    for (size_t i = 0; i < limits->io.size(); ++i) {
      const std::string& path = limits->io[i].path;
      const ObjectKey key = KeyOf(object);
      const std::string field = fmt::format("{} {}: limits.io[{}].path", key.kind, key.name, i);
      const auto disk = parts_.disk_under(path);
      if (!disk.ok()) return Annotate(disk.status(), field);
      if (!seen.insert(*disk).second)
        return InvalidArgument(
            fmt::format("{}: {} is on disk {}, which is there already", field, path, disk->ToString()));
      disks[path] = *disk;
    }
  }
  return disks;
}

// File systems come and go: what is not found now is limited on the disk where it was last, and the object's state says
// so. A path that goes away must not lift a wall.
void Engine::FindDisksAgain() {
  const Disks before = std::exchange(disks_, {});
  diskless_.clear();
  const auto look = [&](const LimitSpec& limits) {
    for (const IoLimit& io : limits.io) {
      const auto disk = parts_.disk_under(io.path);
      if (!disk.ok()) diskless_[io.path] = Message(disk.status());
      const auto last = before.find(io.path);
      if (disk.ok())
        disks_[io.path] = *disk;
      else if (last != before.end())
        disks_.insert(*last);
    }
  };
  for (const auto& [id, tenant] : desired_.tenants) look(tenant.limits);
  for (const auto& [id, task] : desired_.tasks) look(task.limits);
}

Asked Engine::AskedIn(const DesiredState& desired) const {
  return [this, &desired](const CgroupPath& path) {
    const LimitSpec* spec = SpecAt(desired, path);
    return spec ? AskedLimits(*spec, disks_) : Limits{};
  };
}

}  // namespace bulkhead
