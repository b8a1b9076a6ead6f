#include "agent/kernel/limit_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

// Control files of one value: "100000 100000\n", "9223372036854771712\n". kernfs gives them whole in one read.
using SmallBuffer = std::array<char, 64>;

Result<std::string_view> ReadSmall(int fd, const char* file, SmallBuffer& buffer) {
  const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), 0);
  if (n < 0) return Errno(errno, fmt::format("{}: read", file));
  return std::string_view(buffer.data(), static_cast<size_t>(n));
}

Status WriteSmall(int fd, const char* file, const std::string& text) {
  const ssize_t n = ::pwrite(fd, text.data(), text.size(), 0);
  if (n < 0) return Errno(errno, fmt::format("{}: write \"{}\"", file, text));
  if (static_cast<size_t>(n) != text.size()) return Errno(EIO, fmt::format("{}: short write of \"{}\"", file, text));
  return Ok();
}

// v1: memory.limit ≤ memory.memsw.limit must hold at every moment, so memsw is raised first and lowered last. `first`
// is a guess from what was read last; the kernel's EINVAL corrects it.
Status WriteMemoryPair(int limit, int memsw, const LimitFile& files, const std::string& text, bool raise) {
  for (const bool memsw_first : {raise, !raise}) {
    Status first = memsw_first ? WriteSmall(memsw, files.companion, text) : WriteSmall(limit, files.value, text);
    if (!first.ok() && ErrnoOf(first) == EINVAL && memsw_first == raise) continue;
    BULKHEAD_RETURN_IF_ERROR(first);
    return memsw_first ? WriteSmall(limit, files.value, text) : WriteSmall(memsw, files.companion, text);
  }
  return Errno(EINVAL, fmt::format("{}: write \"{}\"", files.value, text));
}

Status MoreAbout(const Status& status, LimitKind kind, bool v2) {
  if (status.ok() || v2 || kind != LimitKind::kCpuMax || ErrnoOf(status) != EINVAL) return status;
  return Annotate(status, "cgroup v1 allows no task more CPU than its tenant has");
}

std::string Show(const std::optional<uint64_t>& value) { return value ? fmt::format("{}", *value) : "no limit"; }

}  // namespace

LimitIo::LimitIo(const CgroupMounts& mounts, std::string root, size_t max_cgroups)
    : mounts_(mounts),
      root_(std::move(root)),
      max_cgroups_(std::max<size_t>(max_cgroups, 1)),
      page_size_(static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))) {}

Result<LimitIo::Slot*> LimitIo::Open(const std::string& cgroup, LimitKind kind) {
  const auto entry = held_.find(cgroup);
  Held& held = entry != held_.end() ? entry->second : held_[cgroup];
  if (entry == held_.end()) {
    by_age_.push_front(cgroup);
    held.age = by_age_.begin();
    if (held_.size() > max_cgroups_) {
      held_.erase(by_age_.back());
      by_age_.pop_back();
    }
  } else if (held.age != by_age_.begin()) {
    by_age_.splice(by_age_.begin(), by_age_, held.age);
  }
  Slot& slot = held.slots[static_cast<size_t>(kind)];
  if (slot.value.valid()) return &slot;

  const CgroupHierarchy* carrier = mounts_.Carrier(ControllerOf(kind));
  if (carrier == nullptr)
    return FailedPrecondition(fmt::format("{}: no hierarchy of this host carries it", LimitName(kind)));
  slot.v2 = carrier->v2;
  slot.files = LimitFileOf(kind, carrier->v2);
  const std::string directory = (cgroup.empty() ? root_ : root_ + "/" + cgroup) + "/";
  BULKHEAD_ASSIGN(UniqueFd value, OpenAt(carrier->top.get(), directory + slot.files.value, O_RDWR));
  if (slot.files.companion != nullptr) {
    auto companion = OpenAt(carrier->top.get(), directory + slot.files.companion, O_RDWR);
    if (companion.ok()) slot.companion = *std::move(companion);
    // Without swap accounting there is no memsw file; a period file that is missing shows when it is read.
    if (!companion.ok() && ErrnoOf(companion.status()) != ENOENT) return companion.status();
  }
  slot.value = std::move(value);
  return &slot;
}

Status LimitIo::ReadPeriod(Slot& slot) {
  SmallBuffer buffer;
  BULKHEAD_ASSIGN(const std::string_view text, ReadSmall(slot.companion.get(), slot.files.companion, buffer));
  BULKHEAD_ASSIGN(slot.period, ParseUnsigned(Trim(std::string(text))));
  return Ok();
}

// The period of a v1 quota is taken as last read: Read looks at it each time, Write once per opened cgroup.
Result<std::optional<uint64_t>> LimitIo::ReadSlot(Slot& slot, LimitKind kind) {
  SmallBuffer value_buffer;
  SmallBuffer companion_buffer;
  BULKHEAD_ASSIGN(std::string_view text, ReadSmall(slot.value.get(), slot.files.value, value_buffer));
  if (kind == LimitKind::kMemoryMax && slot.companion.valid()) {
    // Memory and swap together are the wall: where somebody set them apart, what holds is the wider one.
    BULKHEAD_ASSIGN(text, ReadSmall(slot.companion.get(), slot.files.companion, companion_buffer));
  }
  auto value = LimitFromText(kind, slot.v2, text, slot.period);
  if (!value.ok()) return Annotate(value.status(), slot.files.value);
  slot.held = value->value_or(UINT64_MAX);
  return value;
}

Result<std::optional<uint64_t>> LimitIo::WriteSlot(Slot& slot, LimitKind kind, std::optional<uint64_t> value) {
  auto text = LimitToText(kind, slot.v2, value);
  if (!text.ok()) return Annotate(text.status(), slot.files.value);
  if (kind == LimitKind::kMemoryMax && slot.companion.valid()) {
    BULKHEAD_RETURN_IF_ERROR(WriteMemoryPair(slot.value.get(), slot.companion.get(), slot.files, *text,
                                             value.value_or(UINT64_MAX) > slot.held));
  } else {
    if (kind == LimitKind::kCpuMax && slot.companion.valid()) BULKHEAD_RETURN_IF_ERROR(FixPeriod(slot));
    BULKHEAD_RETURN_IF_ERROR(MoreAbout(WriteSmall(slot.value.get(), slot.files.value, *text), kind, slot.v2));
  }
  BULKHEAD_ASSIGN(const std::optional<uint64_t> held, ReadSlot(slot, kind));
  if (held == EffectiveLimit(kind, value, page_size_)) return held;
  return FailedPrecondition(
      fmt::format("{}: wrote \"{}\", but the kernel holds {}", slot.files.value, *text, Show(held)));
}

// Somebody may have set another period. The old quota of the new period could be more than the tenant has, which v1
// refuses; without a quota the period is free.
Status LimitIo::FixPeriod(Slot& slot) {
  if (slot.period == 0) BULKHEAD_RETURN_IF_ERROR(ReadPeriod(slot));
  if (slot.period == kCpuPeriodUsec) return Ok();
  BULKHEAD_RETURN_IF_ERROR(WriteSmall(slot.value.get(), slot.files.value, "-1"));
  BULKHEAD_RETURN_IF_ERROR(WriteSmall(slot.companion.get(), slot.files.companion, fmt::format("{}", kCpuPeriodUsec)));
  return ReadPeriod(slot);
}

Result<std::optional<uint64_t>> LimitIo::Write(const std::string& cgroup, LimitKind kind,
                                               std::optional<uint64_t> value) {
  for (const bool last : {false, true}) {
    BULKHEAD_ASSIGN(Slot * slot, Open(cgroup, kind));
    auto held = WriteSlot(*slot, kind, value);
    if (held.ok() || last || ErrnoOf(held.status()) != ENODEV) return held;
    Forget(cgroup);
  }
  return Internal("unreachable");
}

Result<std::optional<uint64_t>> LimitIo::Read(const std::string& cgroup, LimitKind kind) {
  for (const bool last : {false, true}) {
    BULKHEAD_ASSIGN(Slot * slot, Open(cgroup, kind));
    Status ready = Ok();
    if (kind == LimitKind::kCpuMax && slot->companion.valid()) ready = ReadPeriod(*slot);
    auto held = ready.ok() ? ReadSlot(*slot, kind) : ready;
    if (held.ok() || last || ErrnoOf(held.status()) != ENODEV) return held;
    Forget(cgroup);
  }
  return Internal("unreachable");
}

void LimitIo::Forget(const std::string& cgroup) {
  for (auto entry = held_.begin(); entry != held_.end();) {
    const std::string& name = entry->first;
    const bool below = name.size() > cgroup.size() && name[cgroup.size()] == '/' && name.starts_with(cgroup);
    if (cgroup.empty() || name == cgroup || below) {
      by_age_.erase(entry->second.age);
      entry = held_.erase(entry);
    } else {
      ++entry;
    }
  }
}

}  // namespace bulkhead
