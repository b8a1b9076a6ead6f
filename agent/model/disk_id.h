// A disk as the kernel numbers it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace bulkhead {

struct DiskId {
  uint32_t major = 0;
  uint32_t minor = 0;
  std::string ToString() const { return std::to_string(major) + ":" + std::to_string(minor); }
  auto operator<=>(const DiskId&) const = default;
};

}  // namespace bulkhead
