// cgroup v1 limits memory, and memory and swap together, in two files of which the second may never be the smaller.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/base/status.h"

namespace bulkhead {

struct MemoryV1 {
  static constexpr uint64_t kNoLimit = UINT64_MAX;
  uint64_t memory = kNoLimit;     // memory.limit_in_bytes
  uint64_t with_swap = kNoLimit;  // memory.memsw.limit_in_bytes

  // Swap on top of memory. Without a limit on memory there is none on swap.
  std::optional<uint64_t> swap() const;
  // A limit on memory, with the swap that was allowed before; none where there was no limit.
  MemoryV1 WithMemory(std::optional<uint64_t> bytes) const;
  MemoryV1 WithSwap(std::optional<uint64_t> bytes) const;
};

// Descriptors of the two files. Errors name the file.
Result<MemoryV1> ReadMemoryV1(int memory_fd, int with_swap_fd);
// In the order that keeps the files apart at every moment; `from` is what was last read, and may be wrong.
Status WriteMemoryV1(int memory_fd, int with_swap_fd, const MemoryV1& from, const MemoryV1& to);

}  // namespace bulkhead
