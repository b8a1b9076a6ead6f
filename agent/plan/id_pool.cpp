#include "agent/plan/id_pool.h"

#include <iterator>

namespace bulkhead {

void IdPool::Take(uint32_t id) {
  auto after = runs_.upper_bound(id);
  const auto before = after == runs_.begin() ? runs_.end() : std::prev(after);
  if (before != runs_.end() && before->second > id) return;
  uint64_t first = id;
  uint64_t last = uint64_t{id} + 1;
  if (after != runs_.end() && after->first == last) {
    last = after->second;
    runs_.erase(after);
  }
  if (before != runs_.end() && before->second == id) {
    first = before->first;
  }
  runs_[first] = last;
}

void IdPool::Free(uint32_t id) {
  const auto after = runs_.upper_bound(id);
  if (after == runs_.begin()) return;
  const auto run = std::prev(after);
  const uint64_t first = run->first;
  const uint64_t last = run->second;
  if (last <= id) return;
  runs_.erase(run);
  if (first < id) runs_[first] = id;
  if (uint64_t{id} + 1 < last) runs_[uint64_t{id} + 1] = last;
}

uint32_t IdPool::LowestFree(uint32_t from) const {
  const auto after = runs_.upper_bound(from);
  if (after == runs_.begin()) return from;
  const auto run = std::prev(after);
  return run->second > from ? static_cast<uint32_t>(run->second) : from;
}

}  // namespace bulkhead
