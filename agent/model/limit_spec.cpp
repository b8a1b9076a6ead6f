#include "agent/model/limit_spec.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bulkhead {
namespace {

using Field = std::optional<uint64_t> IoLimit::*;
constexpr std::pair<LimitKind, Field> kIoFields[] = {{LimitKind::kIoReadBps, &IoLimit::read_bps},
                                                     {LimitKind::kIoWriteBps, &IoLimit::write_bps},
                                                     {LimitKind::kIoReadIops, &IoLimit::read_iops},
                                                     {LimitKind::kIoWriteIops, &IoLimit::write_iops}};

// "memory" for "memory.high".
std::string GroupOf(LimitKind kind) {
  const std::string name = LimitName(kind);
  return name.substr(0, name.find('.'));
}

Status ValidateIo(const LimitSpec& spec, const std::string& field) {
  std::set<std::string> paths;
  for (size_t i = 0; i < spec.io.size(); ++i) {
    const IoLimit& io = spec.io[i];
    const std::string place = fmt::format("{}.io[{}]", field, i);
    if (!io.path.starts_with('/')) return InvalidArgument(place + ".path: must be absolute");
    if (!paths.insert(io.path).second) return InvalidArgument(place + ".path: is there twice");
    for (const auto& [kind, member] : kIoFields) {
      const auto& value = io.*member;
      const LimitTraits& traits = TraitsOf(kind);
      if (value && (*value < traits.low || *value > traits.high))
        return InvalidArgument(
            fmt::format("{}.{}: out of range, use {}", place, std::string(traits.name).substr(3), traits.range));
    }
  }
  return Ok();
}

}  // namespace

bool LimitSpec::Requires(LimitKind kind) const {
  return require.contains(LimitName(kind)) || require.contains(GroupOf(kind));
}

Limits AskedLimits(const LimitSpec& spec, const Disks& disks) {
  Limits asked = spec.values;
  for (const IoLimit& io : spec.io) {
    const auto disk = disks.find(io.path);
    if (disk == disks.end()) continue;
    for (const auto& [kind, member] : kIoFields)
      if (const auto& value = io.*member) asked.Set({kind, OfDisk(disk->second)}, *value);
  }
  return asked;
}

Status ValidateLimitSpec(const LimitSpec& spec, const std::string& field) {
  BULKHEAD_RETURN_IF_ERROR(ValidateLimits(spec.values, field));
  BULKHEAD_RETURN_IF_ERROR(ValidateIo(spec, field));
  for (const std::string& name : spec.require) {
    const bool known = std::any_of(kAllLimits.begin(), kAllLimits.end(),
                                   [&](LimitKind kind) { return name == LimitName(kind) || name == GroupOf(kind); });
    if (known) continue;
    std::set<std::string> names;
    for (const LimitKind kind : kAllLimits) names.insert({LimitName(kind), GroupOf(kind)});
    return InvalidArgument(
        fmt::format("{}.require: \"{}\" is not a limit, use {}", field, name, fmt::join(names, ", ")));
  }
  return Ok();
}

}  // namespace bulkhead
