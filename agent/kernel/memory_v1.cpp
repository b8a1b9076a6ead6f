#include "agent/kernel/memory_v1.h"

#include <cerrno>
#include <string>

#include "agent/kernel/limit_files.h"
#include "agent/kernel/small_file.h"

namespace bulkhead {
namespace {

constexpr char kMemory[] = "memory.limit_in_bytes";
constexpr char kWithSwap[] = "memory.memsw.limit_in_bytes";

Result<uint64_t> ReadOne(int fd, const char* file) {
  SmallBuffer buffer;
  BULKHEAD_ASSIGN(const std::string_view text, ReadSmall(fd, file, buffer));
  auto value = LimitFromText(LimitKind::kMemoryMax, {file, Spelling::kBytesV1}, text);
  if (!value.ok()) return Annotate(value.status(), file);
  return *value ? (*value)->number() : MemoryV1::kNoLimit;
}

Status WriteOne(int fd, const char* file, uint64_t bytes) {
  return WriteSmall(fd, file, bytes == MemoryV1::kNoLimit ? "-1" : std::to_string(bytes));
}

}  // namespace

std::optional<uint64_t> MemoryV1::swap() const {
  if (memory == kNoLimit || with_swap == kNoLimit) return std::nullopt;
  return with_swap > memory ? with_swap - memory : 0;
}

MemoryV1 MemoryV1::WithMemory(std::optional<uint64_t> bytes) const {
  if (!bytes) return {};
  if (memory == kNoLimit) return {*bytes, *bytes};
  return {*bytes, with_swap == kNoLimit ? kNoLimit : *bytes + *swap()};
}

MemoryV1 MemoryV1::WithSwap(std::optional<uint64_t> bytes) const {
  return {memory, bytes ? memory + *bytes : kNoLimit};
}

Result<MemoryV1> ReadMemoryV1(int memory_fd, int with_swap_fd) {
  MemoryV1 held;
  BULKHEAD_ASSIGN(held.memory, ReadOne(memory_fd, kMemory));
  BULKHEAD_ASSIGN(held.with_swap, ReadOne(with_swap_fd, kWithSwap));
  return held;
}

Status WriteMemoryV1(int memory_fd, int with_swap_fd, const MemoryV1& from, const MemoryV1& to) {
  const bool swap_first = to.with_swap > from.with_swap || to.memory > from.with_swap;
  for (const bool with_swap_now : {swap_first, !swap_first}) {
    const Status first =
        with_swap_now ? WriteOne(with_swap_fd, kWithSwap, to.with_swap) : WriteOne(memory_fd, kMemory, to.memory);
    if (ErrnoOf(first) == EINVAL && with_swap_now == swap_first) continue;
    BULKHEAD_RETURN_IF_ERROR(first);
    return with_swap_now ? WriteOne(memory_fd, kMemory, to.memory) : WriteOne(with_swap_fd, kWithSwap, to.with_swap);
  }
  return Errno(EINVAL, kMemory);
}

}  // namespace bulkhead
