#include "agent/kernel/policy_entries.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "agent/model/usage.h"

namespace bulkhead {
namespace {

static_assert(static_cast<int>(Direction::kIngress) == DIR_INGRESS);
static_assert(static_cast<int>(Direction::kEgress) == DIR_EGRESS);
static_assert(static_cast<int>(Direction::kBind) == DIR_BIND);
static_assert(static_cast<int>(Family::kV4) == FAMILY_V4 && static_cast<int>(Family::kV6) == FAMILY_V6);
static_assert(kClassSameTenant == CLASS_SAME_TENANT && kClassOtherTenant == CLASS_OTHER_TENANT);
static_assert(kClassBind == CLASS_BIND);
static_assert(kScopes == SCOPES && kDropReasons == DROP_REASONS);
static_assert(static_cast<int>(DropReason::kBind) == DROP_BIND);

Status EncodeClass(uint32_t policy_id, const ClassKey& key, const std::vector<Interval>& intervals,
                   PolicyEntries& out) {
  if (intervals.size() > POLICY_CHUNK * POLICY_MAX_CHUNKS)
    return ResourceExhausted(fmt::format("class {}: {} port ranges, the data plane searches {} at most", key.id,
                                         intervals.size(), POLICY_CHUNK * POLICY_MAX_CHUNKS));
  for (size_t begin = 0; begin < intervals.size(); begin += POLICY_CHUNK) {
    const size_t count = std::min<size_t>(POLICY_CHUNK, intervals.size() - begin);
    class_record record{};
    record.count = static_cast<uint32_t>(count);
    record.more = begin + count < intervals.size() ? 1 : 0;
    for (size_t i = 0; i < count; ++i) {
      const Interval& from = intervals[begin + i];
      if (from.low > from.high) return InvalidArgument(fmt::format("port range {}-{}", from.low, from.high));
      policy_interval& to = record.intervals[i];
      to.protocol = from.protocol;
      to.allow = from.allow ? 1 : 0;
      to.low = from.low;
      to.high = from.high;
      to.rule = from.rule;
    }
    class_key encoded{};
    encoded.policy_id = policy_id;
    encoded.class_id = key.id;
    encoded.direction = static_cast<uint8_t>(key.direction);
    encoded.chunk = static_cast<uint8_t>(begin / POLICY_CHUNK);
    out.class_keys.push_back(encoded);
    out.class_records.push_back(record);
  }
  return Ok();
}

bool HostBitsAreZero(const IpPrefix& prefix) {
  const size_t bytes = prefix.address.family == Family::kV4 ? 4 : 16;
  for (size_t bit = prefix.length; bit < bytes * 8; ++bit)
    if (prefix.address.bytes[bit / 8] >> (7 - bit % 8) & 1) return false;
  return prefix.length <= bytes * 8;
}

void EncodePrefix(uint32_t policy_id, const PrefixEntry& entry, bool by_trie, PolicyEntries& out) {
  const auto family = static_cast<uint8_t>(entry.prefix.address.family);
  if (by_trie) {
    prefix_lpm_key key{};
    key.bits = PREFIX_LPM_EXACT_BITS + entry.prefix.length;
    key.policy_id = policy_id;
    key.direction = static_cast<uint8_t>(entry.direction);
    key.family = family;
    std::memcpy(key.address, entry.prefix.address.bytes.data(), sizeof(key.address));
    out.lpm_prefixes.push_back(key);
    out.lpm_classes.push_back(entry.class_id);
    return;
  }
  prefix_key key{};
  key.policy_id = policy_id;
  key.direction = static_cast<uint8_t>(entry.direction);
  key.family = family;
  key.length = entry.prefix.length;
  std::memcpy(key.address, entry.prefix.address.bytes.data(), sizeof(key.address));
  out.prefixes.push_back(key);
  out.prefix_classes.push_back(entry.class_id);
}

}  // namespace

Result<PolicyEntries> EncodePolicy(uint32_t policy_id, const CompiledPolicy& policy) {
  PolicyEntries out;
  const CompiledPolicy::Hash hash = policy.ContentHash();
  out.record.hash[0] = hash[0];
  out.record.hash[1] = hash[1];
  out.record.bind_restricted = policy.classes.contains({Direction::kBind, kClassBind}) ? 1 : 0;
  for (const auto& [key, intervals] : policy.classes)
    BULKHEAD_RETURN_IF_ERROR(EncodeClass(policy_id, key, intervals, out));

  std::array<std::array<std::set<uint8_t, std::greater<>>, 2>, 2> lengths;
  for (const PrefixEntry& entry : policy.prefixes) {
    if (entry.class_id == CLASS_NONE || entry.direction == Direction::kBind || !HostBitsAreZero(entry.prefix))
      return InvalidArgument(fmt::format("prefix {} of class {}", entry.prefix.ToString(), entry.class_id));
    lengths[static_cast<size_t>(entry.direction)][entry.prefix.address.family == Family::kV6].insert(
        entry.prefix.length);
  }
  for (size_t direction = 0; direction < 2; ++direction) {
    for (size_t family = 0; family < 2; ++family) {
      const auto& used = lengths[direction][family];
      out.record.length_count[direction][family] = static_cast<uint8_t>(used.size());
      if (used.size() <= POLICY_PROBE_LENGTHS) std::ranges::copy(used, out.record.lengths[direction][family]);
    }
  }
  out.prefixes.reserve(policy.prefixes.size());
  out.prefix_classes.reserve(policy.prefixes.size());
  for (const PrefixEntry& entry : policy.prefixes) {
    const auto& used = lengths[static_cast<size_t>(entry.direction)][entry.prefix.address.family == Family::kV6];
    EncodePrefix(policy_id, entry, used.size() > POLICY_PROBE_LENGTHS, out);
  }
  return out;
}

address_key EncodeAddress(const IpAddress& address) {
  address_key key{};
  key.family = static_cast<uint8_t>(address.family);
  std::memcpy(key.address, address.bytes.data(), sizeof(key.address));
  return key;
}

IpAddress DecodeAddress(const address_key& key) {
  IpAddress address;
  address.family = static_cast<Family>(key.family);
  std::memcpy(address.bytes.data(), key.address, sizeof(key.address));
  return address;
}

}  // namespace bulkhead
