// bpf/lib compiled for the host: the same verdict and parse code as in the kernel, on tables in memory.
#pragma once

#include <cstring>
#include <map>
#include <string>

#include "agent/kernel/policy_entries.h"
#include "tests/support/packets.h"

namespace bulkhead::test {

// What the kernel's maps hold.
struct Tables {
  std::map<uint32_t, policy_record> policies;
  std::map<std::string, class_record> classes;
  std::map<std::string, uint32_t> prefixes;
  std::map<std::string, uint32_t> lpm;  // by exact bytes; see find_prefix_lpm
};
inline Tables tables;

template <typename Key>
std::string BytesOf(const Key& key) {
  return std::string(reinterpret_cast<const char*>(&key), sizeof(key));
}

}  // namespace bulkhead::test

static inline const policy_record* find_policy(uint32_t id) {
  const auto found = bulkhead::test::tables.policies.find(id);
  return found == bulkhead::test::tables.policies.end() ? nullptr : &found->second;
}

static inline const class_record* find_class(const class_key* key) {
  const auto found = bulkhead::test::tables.classes.find(bulkhead::test::BytesOf(*key));
  return found == bulkhead::test::tables.classes.end() ? nullptr : &found->second;
}

static inline const uint32_t* find_prefix(const prefix_key* key) {
  const auto found = bulkhead::test::tables.prefixes.find(bulkhead::test::BytesOf(*key));
  return found == bulkhead::test::tables.prefixes.end() ? nullptr : &found->second;
}

// A trie's answer without a trie: every length, longest first.
static inline const uint32_t* find_prefix_lpm(const prefix_lpm_key* key) {
  prefix_lpm_key probe = *key;
  for (uint32_t bits = key->bits - PREFIX_LPM_EXACT_BITS + 1; bits-- > 0;) {
    probe.bits = PREFIX_LPM_EXACT_BITS + bits;
    for (uint32_t bit = bits; bit < 128; ++bit)
      probe.address[bit / 8] = static_cast<uint8_t>(probe.address[bit / 8] & ~(0x80u >> bit % 8));
    const auto found = bulkhead::test::tables.lpm.find(bulkhead::test::BytesOf(probe));
    if (found != bulkhead::test::tables.lpm.end()) return &found->second;
  }
  return nullptr;
}

static inline int packet_load(void* context, uint32_t offset, void* to, uint32_t length) {
  const auto* bytes = static_cast<const bulkhead::test::Bytes*>(context);
  if (offset + size_t{length} > bytes->size()) return -1;
  std::memcpy(to, bytes->data() + offset, length);
  return 0;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // kernel C: integers are promoted and stored back
#pragma GCC diagnostic ignored "-Wcast-function-type"
#include "bpf/lib/packet.h"
#include "bpf/lib/verdict.h"
#pragma GCC diagnostic pop

namespace bulkhead::test {

// Puts a policy into the tables as the agent would into the maps.
inline void Fill(uint32_t policy_id, const CompiledPolicy& policy) {
  const auto entries = EncodePolicy(policy_id, policy);
  tables = {};
  tables.policies[policy_id] = entries->record;
  for (size_t i = 0; i < entries->class_keys.size(); ++i)
    tables.classes[BytesOf(entries->class_keys[i])] = entries->class_records[i];
  for (size_t i = 0; i < entries->prefixes.size(); ++i)
    tables.prefixes[BytesOf(entries->prefixes[i])] = entries->prefix_classes[i];
  for (size_t i = 0; i < entries->lpm_prefixes.size(); ++i)
    tables.lpm[BytesOf(entries->lpm_prefixes[i])] = entries->lpm_classes[i];
}

}  // namespace bulkhead::test
