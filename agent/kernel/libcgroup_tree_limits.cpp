// The limits of LibcgroupTree: what the host can hold, and what cgroups hold now.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/kernel/io_scheduler.h"
#include "agent/kernel/libcgroup_tree.h"
#include "agent/kernel/tree_paths.h"

namespace bulkhead {
namespace {

using Level = LimitSupport::Level;

Tier TierOf(const CgroupPath& path) { return IsTask(path) ? Tier::kTask : Tier::kTenant; }

bool Exists(const CgroupHierarchy& hierarchy, const std::string& file) {
  return ::faccessat(hierarchy.top.get(), file.c_str(), F_OK, 0) == 0;
}

LimitSupport Probe(const CgroupMounts& mounts, const std::string& root, LimitKind kind) {
  const Controller controller = ControllerOf(kind);
  const CgroupHierarchy* carrier = mounts.Carrier(controller);
  if (carrier == nullptr)
    return {Level::kNone,
            fmt::format("no cgroup hierarchy of this host has the {} controller", ControllerName(controller, true))};
  const char* file = LimitFileOf(kind, carrier->v2).value;
  if (file == nullptr) return {Level::kNone, fmt::format("cgroup v1 has no {}", LimitName(kind))};
  if (!IsOfPageSize(kind) && !Exists(*carrier, root + "/" + file))
    return {Level::kNone, fmt::format("the kernel offers no {} in {}/{}", file, carrier->mount_point, root)};
  if (kind == LimitKind::kMemoryHigh && !carrier->v2)
    return {Level::kWeak, "cgroup v1 has only a soft limit: what is above is reclaimed first, once the host is short"};
  return {};
}

// io_weight is a number in a file that does nothing unless a disk's scheduler looks at it.
LimitSupport ProbeIoWeight(const CgroupMounts& mounts, const std::string& root, bool& bfq) {
  const CgroupHierarchy* io = mounts.Carrier(Controller::kIo);
  if (io == nullptr) return Probe(mounts, root, LimitKind::kIoWeight);
  const IoWeightWays ways = FindIoWeightWays("/sys/block", mounts.unified().mount_point + "/io.cost.qos");
  const bool has_bfq = Exists(*io, fmt::format("{}/{}", root, BfqWeightFile(io->v2).value));
  const bool has_plain = io->v2 && Exists(*io, root + "/io.weight");
  bfq = has_bfq && !(has_plain && (ways.io_cost || !ways.bfq));
  if (!has_bfq && !has_plain) return Probe(mounts, root, LimitKind::kIoWeight);
  if (bfq ? ways.bfq : ways.io_cost) return {};
  return {Level::kWeak, "no disk of this host is shared by weight: choose the scheduler bfq for it, or enable io.cost"};
}

// /sys/kernel/mm/hugepages/hugepages-2048kB
std::set<uint64_t> HugePageSizes() {
  std::set<uint64_t> sizes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    const std::string name = entry.path().filename().string();
    constexpr std::string_view kPrefix = "hugepages-";
    uint64_t kib = 0;
    if (name.starts_with(kPrefix) &&
        std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), kib).ec == std::errc())
      sizes.insert(kib << 10U);
  }
  return sizes;
}

Result<IndexSet> ReadSet(const CgroupHierarchy& cpuset, const std::string& root, const char* v1, const char* v2) {
  BULKHEAD_ASSIGN(const std::string text, ReadFileAt(cpuset.top.get(), root + "/" + (cpuset.v2 ? v2 : v1)));
  return IndexSet::Parse(Trim(text));
}

}  // namespace

Status LibcgroupTree::LookAtHost() {
  const auto in_v1 = [&](Controller controller) {
    const CgroupHierarchy* carrier = mounts_->Carrier(controller);
    return carrier != nullptr && !carrier->v2;
  };
  LimitHost host;
  host.page_size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  for (const LimitKind kind : kAllLimits) {
    LimitSupport support =
        kind == LimitKind::kIoWeight ? ProbeIoWeight(*mounts_, root_, host.bfq_weight) : Probe(*mounts_, root_, kind);
    if (support.level != Level::kFull) host.weaker[kind] = std::move(support);
  }
  host.memory_v1 = in_v1(Controller::kMemory);
  host.io_v1 = in_v1(Controller::kIo);
  if (const CgroupHierarchy* hugetlb = mounts_->Carrier(Controller::kHugetlb))
    for (const uint64_t size : HugePageSizes())
      if (Exists(*hugetlb,
                 root_ + "/" +
                     FileNameOf(LimitFileOf(LimitKind::kHugetlbMax, hugetlb->v2), {LimitKind::kHugetlbMax, size})))
        host.huge_pages.insert(size);
  if (!host.weaker.contains(LimitKind::kCpuCpus)) {
    const CgroupHierarchy& cpuset = *mounts_->Carrier(Controller::kCpuset);
    host.cpuset_v1 = !cpuset.v2;
    BULKHEAD_ASSIGN(host.cpus, ReadSet(cpuset, root_, "cpuset.cpus", "cpuset.cpus.effective"));
    BULKHEAD_ASSIGN(host.mems, ReadSet(cpuset, root_, "cpuset.mems", "cpuset.mems.effective"));
  }
  host_ = std::move(host);
  return Ok();
}

bool LibcgroupTree::Lacks(LimitKind kind) const {
  const auto weaker = host_.weaker.find(kind);
  return weaker != host_.weaker.end() && weaker->second.level == Level::kNone;
}

Result<Limits> LibcgroupTree::ReadLimits(const CgroupPath& path) {
  std::vector<LimitId> ids;
  for (const LimitKind kind : kAllLimits)
    if (!IsOfDisk(kind) && !IsOfPageSize(kind)) ids.emplace_back(kind);
  for (const uint64_t size : host_.huge_pages) ids.emplace_back(LimitKind::kHugetlbMax, size);
  BULKHEAD_ASSIGN(Limits limits, Read(path, ids, LimitIo::Keep::kAsIs));
  if (Lacks(LimitKind::kIoReadBps)) return limits;
  const Status disks = limits_.ReadDisks(path.value, limits);
  if (ErrnoOf(disks) == ENOENT && IsDirectory(mounts_->unified(), Relative(path))) return limits;
  BULKHEAD_RETURN_IF_ERROR(Annotate(disks, Show(path)));
  return limits;
}

Result<Limits> LibcgroupTree::ReadLimits(const CgroupPath& path, const std::vector<LimitId>& ids) {
  return Read(path, ids, LimitIo::Keep::kOpen);
}

Result<Limits> LibcgroupTree::Read(const CgroupPath& path, const std::vector<LimitId>& ids, LimitIo::Keep keep) {
  BULKHEAD_RETURN_IF_ERROR(CheckName(path));
  Limits limits;
  bool any = false;
  const auto read = [&](const LimitId& id) -> Status {
    if (Lacks(id.kind)) return Ok();
    auto value = limits_.Read(path.value, id, keep);
    // A cgroup that is not there in one hierarchy is not limited by it; gone altogether is another matter.
    if (ErrnoOf(value.status()) == ENOENT && IsDirectory(mounts_->unified(), Relative(path))) return Ok();
    if (!value.ok()) return Annotate(value.status(), Show(path));
    any = true;
    limits.Set(id, *std::move(value));
    return Ok();
  };
  for (const LimitId& id : ids) BULKHEAD_RETURN_IF_ERROR(read(id));
  if (!any && !IsDirectory(mounts_->unified(), Relative(path)))
    return Errno(ENOENT, fmt::format("{}: read limits", Show(path)));
  // An idle cgroup has no weight, but reads as having the least.
  if (limits.Number(LimitKind::kCpuWeight).value_or(2) > 1) return limits;
  const bool knows = limits.Has(LimitKind::kCpuIdle);
  if (!knows) BULKHEAD_RETURN_IF_ERROR(read(LimitKind::kCpuIdle));
  if (limits.Has(LimitKind::kCpuIdle)) limits.Set(LimitKind::kCpuWeight, std::nullopt);
  if (!knows) limits.Set(LimitKind::kCpuIdle, std::nullopt);
  return limits;
}

Result<std::optional<LimitValue>> LibcgroupTree::SetLimit(const CgroupPath& path, const LimitId& id,
                                                          const std::optional<LimitValue>& value) {
  // What is held has been checked.
  if (!limits_.Holds(path.value)) BULKHEAD_RETURN_IF_ERROR(CheckName(path));
  auto held = limits_.Write(path.value, id, value);
  if (held.ok()) return held;
  if (ErrnoOf(held.status()) == ENOENT && IsDirectory(mounts_->unified(), Relative(path)) && !Lacks(id.kind)) {
    if (IsTask(path)) BULKHEAD_RETURN_IF_ERROR(Create(CgroupPath{Parent(path.value)}));
    BULKHEAD_RETURN_IF_ERROR(Create(path));
    held = limits_.Write(path.value, id, value);
    if (held.ok()) return held;
  }
  return Annotate(held.status(), Show(path));
}

Result<uint64_t> LibcgroupTree::MemoryInUse(const CgroupPath& path) {
  BULKHEAD_RETURN_IF_ERROR(CheckName(path));
  const CgroupHierarchy* memory = mounts_->Carrier(Controller::kMemory);
  if (memory == nullptr) return FailedPrecondition("no cgroup hierarchy of this host has the memory controller");
  const char* file = memory->v2 ? "memory.current" : "memory.usage_in_bytes";
  const auto text = ReadFileAt(memory->top.get(), Relative(path) + "/" + file);
  if (!text.ok()) return Annotate(text.status(), Show(path));
  return ParseUnsigned(Trim(*text));
}

Limits LibcgroupTree::Effective(const CgroupPath& path, const Limits& wanted, const Limits& above) const {
  return EffectiveOn(host_, TierOf(path), wanted, above);
}

std::set<LimitKind> LibcgroupTree::Copied() const { return CopiedOn(host_); }

LimitSupport LibcgroupTree::Supports(const CgroupPath& path, const LimitId& id, const Limits& with) const {
  return SupportOn(host_, TierOf(path), id, with);
}

}  // namespace bulkhead
