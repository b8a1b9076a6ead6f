#include "agent/model/compiled_policy.h"

#include <type_traits>

#include <xxhash.h>

namespace bulkhead {
namespace {

template <typename T>
void Append(std::string& bytes, T value) {
  static_assert(std::is_integral_v<T>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

CompiledPolicy::Hash CompiledPolicy::ContentHash() const {
  std::string bytes;
  for (const auto& [key, intervals] : classes) {
    Append(bytes, static_cast<uint8_t>(key.direction));
    Append(bytes, key.id);
    Append(bytes, static_cast<uint32_t>(intervals.size()));
    for (const Interval& interval : intervals) {
      Append(bytes, interval.protocol);
      Append(bytes, static_cast<uint8_t>(interval.allow));
      Append(bytes, interval.low);
      Append(bytes, interval.high);
      Append(bytes, interval.rule);
    }
  }
  for (const PrefixEntry& entry : prefixes) {
    Append(bytes, static_cast<uint8_t>(entry.direction));
    Append(bytes, static_cast<uint8_t>(entry.prefix.address.family));
    Append(bytes, entry.prefix.length);
    bytes.append(reinterpret_cast<const char*>(entry.prefix.address.bytes.data()), entry.prefix.address.bytes.size());
    Append(bytes, entry.class_id);
  }
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

}  // namespace bulkhead
