#include "agent/kernel/limit_io.h"

#include <fcntl.h>
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/kernel/io_limits.h"
#include "agent/kernel/small_file.h"

namespace bulkhead {
namespace {

constexpr size_t kLeastDescriptors = 64;  // of the two cgroups that one call may touch, and more

Status MoreAbout(const Status& status, LimitKind kind, bool v2) {
  if (status.ok() || v2 || kind != LimitKind::kCpuMax || ErrnoOf(status) != EINVAL) return status;
  return Annotate(status, "cgroup v1 allows no task more CPU than its tenant has, nor a quota below the burst");
}

bool IsHeld(LimitKind kind) { return !IsOfDisk(kind) && !IsOfPageSize(kind); }

bool IsMemoryPair(LimitKind kind, const UniqueFd& companion) {
  return companion.valid() && (kind == LimitKind::kMemoryMax || kind == LimitKind::kSwapMax);
}

}  // namespace

LimitIo::LimitIo(const CgroupMounts& mounts, std::string root, const LimitHost& host, size_t max_descriptors)
    : mounts_(mounts),
      root_(std::move(root)),
      host_(host),
      max_descriptors_(std::max(max_descriptors, kLeastDescriptors)) {}

LimitIo::Held& LimitIo::Touch(const std::string& cgroup) {
  const auto entry = held_.find(cgroup);
  if (entry == held_.end()) {
    Held& held = held_[cgroup];
    by_age_.push_front(cgroup);
    held.age = by_age_.begin();
    return held;
  }
  if (entry->second.age != by_age_.begin()) by_age_.splice(by_age_.begin(), by_age_, entry->second.age);
  return entry->second;
}

void LimitIo::EvictOldest() {
  while (descriptors_ > max_descriptors_ && by_age_.size() > 1) {
    descriptors_ -= held_.at(by_age_.back()).descriptors;
    held_.erase(by_age_.back());
    by_age_.pop_back();
  }
}

Result<LimitIo::Slot> LimitIo::OpenSlot(const std::string& cgroup, const LimitId& id) const {
  const CgroupHierarchy* carrier = mounts_.Carrier(ControllerOf(id.kind));
  Slot slot;
  if (carrier != nullptr) {
    slot.v2 = carrier->v2;
    const bool bfq = id.kind == LimitKind::kIoWeight && host_.bfq_weight;
    slot.files = bfq ? BfqWeightFile(carrier->v2) : LimitFileOf(id.kind, carrier->v2);
  }
  if (slot.files.value == nullptr)
    return FailedPrecondition(fmt::format("{}: no hierarchy of this host carries it", LimitName(id.kind)));
  const std::string directory = (cgroup.empty() ? root_ : root_ + "/" + cgroup) + "/";
  BULKHEAD_ASSIGN(slot.value, OpenAt(carrier->top.get(), directory + FileNameOf(slot.files, id), O_RDWR));
  if (slot.files.companion == nullptr) return slot;
  auto companion = OpenAt(carrier->top.get(), directory + slot.files.companion, O_RDWR);
  if (companion.ok()) slot.companion = *std::move(companion);
  // Without swap accounting there is no memsw file; a period file that is missing shows when it is read.
  if (!companion.ok() && ErrnoOf(companion.status()) != ENOENT) return companion.status();
  return slot;
}

Result<LimitIo::Slot*> LimitIo::Hold(Held& held, const std::string& cgroup, LimitKind kind) {
  Slot& slot = held.slots[static_cast<size_t>(kind)];
  if (slot.value.valid()) return &slot;
  BULKHEAD_ASSIGN(slot, OpenSlot(cgroup, kind));
  const size_t opened = slot.companion.valid() ? 2 : 1;
  held.descriptors += opened;
  descriptors_ += opened;
  EvictOldest();  // never this one, which is the youngest
  return &slot;
}

Status LimitIo::ReadPeriod(Slot& slot) {
  SmallBuffer buffer;
  BULKHEAD_ASSIGN(const std::string_view text, ReadSmall(slot.companion.get(), slot.files.companion, buffer));
  BULKHEAD_ASSIGN(slot.period, ParseUnsigned(Trim(std::string(text))));
  return Ok();
}

// The period of a v1 quota is taken as last read: Read looks at it each time, Write once per opened cgroup.
LimitIo::Value LimitIo::ReadSlot(Slot& slot, const LimitId& id, std::optional<MemoryV1>& memory) {
  if (IsMemoryPair(id.kind, slot.companion)) {
    const bool max = id.kind == LimitKind::kMemoryMax;
    BULKHEAD_ASSIGN(memory,
                    ReadMemoryV1((max ? slot.value : slot.companion).get(), (max ? slot.companion : slot.value).get()));
    const auto bytes = max ? std::optional(memory->memory) : memory->swap();
    if (!bytes || *bytes == MemoryV1::kNoLimit) return std::optional<LimitValue>();
    return std::optional<LimitValue>(*bytes);
  }
  SmallBuffer buffer;
  BULKHEAD_ASSIGN(const std::string_view text, ReadSmall(slot.value.get(), slot.files.value, buffer));
  auto value = LimitFromText(id, slot.files, text, slot.period);
  if (!value.ok()) return Annotate(value.status(), slot.files.value);
  return value;
}

Status LimitIo::WriteMemory(const Slot& slot, LimitKind kind, const std::optional<LimitValue>& value,
                            std::optional<MemoryV1>& memory) {
  const bool max = kind == LimitKind::kMemoryMax;
  const int memory_fd = (max ? slot.value : slot.companion).get();
  const int with_swap_fd = (max ? slot.companion : slot.value).get();
  if (!memory) {
    BULKHEAD_ASSIGN(memory, ReadMemoryV1(memory_fd, with_swap_fd));
  }
  const auto bytes = value ? std::optional(value->number()) : std::nullopt;
  if (!max && bytes && memory->memory == MemoryV1::kNoLimit)
    return FailedPrecondition(fmt::format("{}: cgroup v1 limits swap only together with memory.max", slot.files.value));
  return WriteMemoryV1(memory_fd, with_swap_fd, *memory, max ? memory->WithMemory(bytes) : memory->WithSwap(bytes));
}

Status LimitIo::WriteSlot(Slot& slot, const LimitId& id, const std::optional<LimitValue>& value,
                          std::optional<MemoryV1>& memory) {
  if (IsMemoryPair(id.kind, slot.companion)) return WriteMemory(slot, id.kind, value, memory);
  auto text = LimitToText(id, slot.files, value);
  if (!text.ok()) return Annotate(text.status(), slot.files.value);
  if (id.kind == LimitKind::kCpuMax && slot.companion.valid()) BULKHEAD_RETURN_IF_ERROR(FixPeriod(slot));
  return MoreAbout(WriteSmall(slot.value.get(), slot.files.value, *text), id.kind, slot.v2);
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

// v1: the sets of the top cgroup stand for "not limited".
LimitIo::Value LimitIo::TopSet(LimitKind kind) {
  BULKHEAD_ASSIGN(Slot * slot, Hold(Touch(""), "", kind));
  std::optional<MemoryV1> unused;
  return ReadSlot(*slot, kind, unused);
}

LimitIo::Value LimitIo::WithoutTopSet(LimitKind kind, Value set) {
  if (!set.ok()) return set;
  BULKHEAD_ASSIGN(const std::optional<LimitValue> top, TopSet(kind));
  return *set == top ? std::optional<LimitValue>() : *std::move(set);
}

LimitIo::Value LimitIo::Write(const std::string& cgroup, const LimitId& id, const std::optional<LimitValue>& value) {
  const auto write = [&]() -> Value {
    std::optional<LimitValue> wanted = EffectiveLimit(host_, id, value);
    Held& held = Touch(cgroup);
    Slot passing;
    Slot* slot = &passing;
    if (IsHeld(id.kind)) {
      BULKHEAD_ASSIGN(slot, Hold(held, cgroup, id.kind));
    } else {
      BULKHEAD_ASSIGN(passing, OpenSlot(cgroup, id));
    }
    const bool copied = slot->files.spelling == Spelling::kList && !slot->v2;
    if (copied && !wanted) {
      BULKHEAD_ASSIGN(wanted, TopSet(id.kind));
    }
    BULKHEAD_RETURN_IF_ERROR(WriteSlot(*slot, id, wanted, held.memory));
    Value now = ReadSlot(*slot, id, held.memory);
    if (now.ok() && *now != wanted)
      return FailedPrecondition(fmt::format("{}: wrote {}, but the kernel holds {}", slot->files.value,
                                            ToString(id, wanted), ToString(id, *now)));
    return copied ? WithoutTopSet(id.kind, std::move(now)) : now;
  };
  Value now = write();
  if (now.ok() || ErrnoOf(now.status()) != ENODEV) return now;
  Forget(cgroup);
  return write();
}

LimitIo::Value LimitIo::Read(const std::string& cgroup, const LimitId& id, Keep keep) {
  const auto read = [&]() -> Value {
    Slot passing;
    Slot* slot = &passing;
    std::optional<MemoryV1> passing_memory;
    std::optional<MemoryV1>* memory = &passing_memory;
    const auto entry = held_.find(cgroup);
    const auto is_open = [&] {
      return entry != held_.end() && entry->second.slots[static_cast<size_t>(id.kind)].value.valid();
    };
    if (IsHeld(id.kind) && (keep == Keep::kOpen || is_open())) {
      Held& held = Touch(cgroup);
      memory = &held.memory;
      BULKHEAD_ASSIGN(slot, Hold(held, cgroup, id.kind));
    } else {
      BULKHEAD_ASSIGN(passing, OpenSlot(cgroup, id));
    }
    if (id.kind == LimitKind::kCpuMax && slot->companion.valid()) BULKHEAD_RETURN_IF_ERROR(ReadPeriod(*slot));
    const bool copied = slot->files.spelling == Spelling::kList && !slot->v2;
    Value now = ReadSlot(*slot, id, *memory);
    return copied ? WithoutTopSet(id.kind, std::move(now)) : now;
  };
  Value now = read();
  if (now.ok() || ErrnoOf(now.status()) != ENODEV) return now;
  Forget(cgroup);
  return read();
}

Status LimitIo::ReadDisks(const std::string& cgroup, Limits& limits) {
  for (const LimitKind kind : kAllLimits) {
    if (!IsOfDisk(kind)) continue;
    BULKHEAD_ASSIGN(const Slot slot, OpenSlot(cgroup, kind));
    SmallBuffer buffer;
    BULKHEAD_ASSIGN(const std::string_view text, ReadSmall(slot.value.get(), slot.files.value, buffer));
    BULKHEAD_RETURN_IF_ERROR(Annotate(IoFromText(text, slot.v2, kind, limits), slot.files.value));
    if (slot.v2) break;  // one file for all four
  }
  return Ok();
}

void LimitIo::Forget(const std::string& cgroup) {
  for (auto entry = held_.begin(); entry != held_.end();) {
    const std::string& name = entry->first;
    const bool below = name.size() > cgroup.size() && name[cgroup.size()] == '/' && name.starts_with(cgroup);
    if (cgroup.empty() || name == cgroup || below) {
      descriptors_ -= entry->second.descriptors;
      by_age_.erase(entry->second.age);
      entry = held_.erase(entry);
    } else {
      ++entry;
    }
  }
}

}  // namespace bulkhead
