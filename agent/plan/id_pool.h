// Numbers in use, kept as runs: the lowest free one is found in O(log n) however many are taken.
#pragma once

#include <cstdint>
#include <map>

namespace bulkhead {

class IdPool {
 public:
  void Take(uint32_t id);
  void Free(uint32_t id);
  uint32_t LowestFree(uint32_t from) const;  // the lowest free one that is at least `from`

 private:
  std::map<uint64_t, uint64_t> runs_;  // first → one past the last; disjoint, never touching
};

}  // namespace bulkhead
