// The limits of FakeCgroupTree.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "tests/support/fake_cgroup_tree.h"

namespace bulkhead {
namespace {

constexpr DiskId kDisk{8, 0};

IndexSet First(uint32_t count) {
  IndexSet set;
  for (uint32_t i = 0; i < count; ++i) set.Add(i);
  return set;
}

std::string ParentOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// The errno with which the kernel refuses a number by itself; 0 = it takes it.
int RefusalOfNumber(LimitKind kind, uint64_t value) {
  switch (kind) {
    case LimitKind::kCpuMax:
      return value < 1'000 ? EINVAL : 0;
    case LimitKind::kCpuWeight:
    case LimitKind::kIoWeight:
      return value < 1 || value > 10'000 ? ERANGE : 0;
    case LimitKind::kPidsMax:
      return value > 4'194'304 ? EINVAL : 0;
    case LimitKind::kCpuIdle:
    case LimitKind::kOomGroup:
      return value > 1 ? EINVAL : 0;
    default:
      return 0;
  }
}

}  // namespace

LimitHost FakeCgroupTree::Unified() {
  return {.cpus = First(4), .mems = First(2), .huge_pages = {uint64_t{2} << 20U}, .weaker = {}};
}

LimitHost FakeCgroupTree::Hybrid() {
  LimitHost host = Unified();
  host.memory_v1 = host.cpuset_v1 = host.io_v1 = host.bfq_weight = true;
  for (const LimitKind kind : {LimitKind::kMemoryLow, LimitKind::kMemoryMin, LimitKind::kOomGroup})
    host.weaker[kind] = {LimitSupport::Level::kNone, fmt::format("cgroup v1 has no {}", LimitName(kind))};
  host.weaker[LimitKind::kMemoryHigh] = {LimitSupport::Level::kWeak, "a soft limit only"};
  return host;
}

IndexSet FakeCgroupTree::SetAt(const std::string& path, LimitKind kind) const {
  const LimitValue* own = path.empty() ? nullptr : nodes_.at(path).limits.Find(kind);
  if (own) return own->set();
  return kind == LimitKind::kCpuCpus ? host_.cpus : host_.mems;
}

Limits FakeCgroupTree::Visible(Limits held) const {
  for (const auto& [kind, support] : host_.weaker)
    if (support.level == LimitSupport::Level::kNone) held.Set(kind, std::nullopt);
  for (const LimitKind kind : CopiedOn(host_)) {
    const LimitValue* set = held.Find(kind);
    if (set && set->set() == SetAt("", kind)) held.Set(kind, std::nullopt);
  }
  return held;
}

void FakeCgroupTree::Hold(const std::string& path, const LimitId& id, const std::optional<LimitValue>& value) {
  Limits& held = nodes_.at(path).limits;
  std::optional<LimitValue> effective = EffectiveLimit(host_, id, value);
  if (!effective && host_.cpuset_v1 && TraitsOf(id.kind).shape == LimitShape::kSet) effective = SetAt("", id.kind);
  const bool had_max = held.Has(LimitKind::kMemoryMax);
  held.Set(id, effective);
  if (id.kind == LimitKind::kCpuIdle) held.Set(LimitKind::kCpuWeight, std::nullopt);
  if (id.kind != LimitKind::kMemoryMax || !host_.memory_v1) return;
  if (!effective) held.Set(LimitKind::kSwapMax, std::nullopt);
  if (effective && !had_max) held.Set(LimitKind::kSwapMax, 0);
}

void FakeCgroupTree::WriteBehind(const CgroupPath& path, const LimitId& id, const std::optional<LimitValue>& value) {
  Hold(path.value, id, value);
}

// cgroup v1: within the parent's, and around the children's.
int FakeCgroupTree::RefusalOfSet(const std::string& path, LimitKind kind, const IndexSet& set) const {
  const IndexSet& all = kind == LimitKind::kCpuCpus ? host_.cpus : host_.mems;
  if (!all.Contains(set)) return ERANGE;
  if (!host_.cpuset_v1) return 0;
  if (!SetAt(ParentOf(path), kind).Contains(set)) return EACCES;
  for (const auto& [other, node] : nodes_)
    if (other != path && !other.empty() && ParentOf(other) == path && !set.Contains(SetAt(other, kind))) return EBUSY;
  return 0;
}

int FakeCgroupTree::Refusal(const std::string& path, const LimitId& id, const std::optional<LimitValue>& value) const {
  const Limits& held = nodes_.at(path).limits;
  if (IsOfDisk(id.kind) && DiskOf(id) != kDisk) return ENODEV;
  if (TraitsOf(id.kind).shape == LimitShape::kSet)
    return RefusalOfSet(path, id.kind, value ? value->set() : SetAt("", id.kind));
  if (value)
    if (const int error = RefusalOfNumber(id.kind, value->number()); error != 0) return error;
  const uint64_t number = value ? value->number() : UINT64_MAX;
  const uint64_t quota = held.Number(LimitKind::kCpuMax).value_or(UINT64_MAX);
  if (id.kind == LimitKind::kCpuMax && held.Number(LimitKind::kCpuBurst).value_or(0) > number) return EINVAL;
  if (id.kind == LimitKind::kCpuBurst && value && number > quota) return EINVAL;
  if (id.kind == LimitKind::kCpuWeight && held.Has(LimitKind::kCpuIdle)) return EINVAL;
  return 0;
}

void FakeCgroupTree::Use(const CgroupPath& path, uint64_t bytes, uint64_t locked) {
  nodes_.at(path.value).used = bytes;
  nodes_.at(path.value).locked = locked;
}

Result<uint64_t> FakeCgroupTree::MemoryInUse(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("read", path.value + ": read memory in use"));
  BULKHEAD_RETURN_IF_ERROR(MustExist(path, "read memory in use"));
  return nodes_.at(path.value).used;
}

// A limit on memory below what is in use: both versions reclaim what they can; below the rest v1 refuses a maximum and
// v2 kills for it.
int FakeCgroupTree::Shrink(const std::string& path, LimitKind kind, uint64_t bytes) {
  Node& node = nodes_.at(path);
  if (kind == LimitKind::kMemoryHigh && host_.memory_v1) return 0;
  node.used = std::min(node.used, std::max(bytes, node.locked));
  if (kind == LimitKind::kMemoryHigh || node.used <= bytes) return 0;
  if (host_.memory_v1) return EBUSY;
  ++oom_kills_;
  node.used = node.locked = 0;
  return 0;
}

Result<Limits> FakeCgroupTree::ReadLimits(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(faults_.Read("read", path.value + ": read limits"));
  BULKHEAD_RETURN_IF_ERROR(MustExist(path, "read limits"));
  return LimitsAt(path.value);
}

Result<Limits> FakeCgroupTree::ReadLimits(const CgroupPath& path, const std::vector<LimitId>& ids) {
  BULKHEAD_ASSIGN(const Limits all, ReadLimits(path));
  Limits some;
  for (const LimitId& id : ids) some.Set(id, all.Get(id));
  return some;
}

Result<std::optional<LimitValue>> FakeCgroupTree::SetLimit(const CgroupPath& path, const LimitId& id,
                                                           const std::optional<LimitValue>& value) {
  const std::string what = fmt::format("{}: write {}", path.value, ToString(id));
  const Status written = faults_.Mutate(LimitName(id.kind), what, [&]() -> Status {
    BULKHEAD_RETURN_IF_ERROR(MustExist(path, "write " + ToString(id)));
    if (const auto support =
            Supports(path, id, value ? nodes_.at(path.value).limits : Limits{{LimitKind::kMemoryMax, 1}});
        support.level == LimitSupport::Level::kNone)
      return FailedPrecondition(what + ": " + support.why);
    if (const int error = Refusal(path.value, id, value); error != 0) return Errno(error, what);
    if (value && (id.kind == LimitKind::kMemoryMax || id.kind == LimitKind::kMemoryHigh))
      if (const int error = Shrink(path.value, id.kind, value->number()); error != 0) return Errno(error, what);
    Write write{path.value, id, LimitsAt(path.value).Get(id), std::nullopt};
    Hold(path.value, id, value);
    write.after = LimitsAt(path.value).Get(id);
    writes_.push_back(std::move(write));
    return Ok();
  });
  BULKHEAD_RETURN_IF_ERROR(written);
  return LimitsAt(path.value).Get(id);
}

}  // namespace bulkhead
