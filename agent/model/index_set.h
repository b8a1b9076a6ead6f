// Sets of CPUs or memory nodes, as the kernel lists them: "0-3,7".
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/status.h"

namespace bulkhead {

class IndexSet {
 public:
  static constexpr uint32_t kMaxIndex = 8191;  // the most CPUs that any kernel is built for

  // InvalidArgument for anything but numbers and ascending ranges up to kMaxIndex, with commas between. "" is empty.
  static Result<IndexSet> Parse(const std::string& text);
  std::string ToString() const;  // ascending, neighbours as a range; "" when empty

  bool empty() const { return words_.empty(); }
  void Add(uint32_t index);
  bool Contains(const IndexSet& other) const;
  IndexSet Union(const IndexSet& other) const;
  IndexSet Intersection(const IndexSet& other) const;
  auto operator<=>(const IndexSet&) const = default;

 private:
  std::vector<uint64_t> words_;  // bit i of word w: 64 w + i; the last word is not 0
};

}  // namespace bulkhead
