// A compiled policy as the entries of the data plane's maps. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/compiled_policy.h"
#include "bpf/abi/policy.h"

namespace bulkhead {

struct PolicyEntries {
  policy_record record{};
  std::vector<prefix_key> prefixes;
  std::vector<uint32_t> prefix_classes;  // of prefixes, one each
  std::vector<prefix_lpm_key> lpm_prefixes;
  std::vector<uint32_t> lpm_classes;
  std::vector<class_key> class_keys;
  std::vector<class_record> class_records;
};

// InvalidArgument for what the data plane could not evaluate as meant (class 0, host bits, a range upside down);
// ResourceExhausted for a class of more than POLICY_CHUNK * POLICY_MAX_CHUNKS intervals.
Result<PolicyEntries> EncodePolicy(uint32_t policy_id, const CompiledPolicy& policy);

address_key EncodeAddress(const IpAddress& address);
IpAddress DecodeAddress(const address_key& key);

}  // namespace bulkhead
