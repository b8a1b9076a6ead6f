#include "agent/engine/policy_cache.h"

#include <algorithm>

#include "agent/plan/policy_compiler.h"

namespace bulkhead {

Result<HashedPolicy> PolicyCache::Get(const DesiredState& desired, const TaskSpec& task) {
  const std::vector<const PolicySpec*> selecting = SelectingPolicies(desired, task);
  std::vector<PolicyId> key;
  for (const PolicySpec* policy : selecting) key.push_back(policy->id);
  auto found = entries_.find(key);
  if (found == entries_.end()) {
    BULKHEAD_ASSIGN(CompiledPolicy compiled, CompilePolicy(selecting, baseline_));
    HashedPolicy hashed;
    hashed.hash = compiled.ContentHash();
    hashed.policy = std::make_shared<const CompiledPolicy>(std::move(compiled));
    found = entries_.emplace(std::move(key), Entry{std::move(hashed)}).first;
  }
  found->second.used = true;
  return found->second.policy;
}

void PolicyCache::Forget(const PolicyId& policy) {
  std::erase_if(entries_, [&](const auto& entry) {
    return std::find(entry.first.begin(), entry.first.end(), policy) != entry.first.end();
  });
}

void PolicyCache::DropUnused() {
  std::erase_if(entries_, [](const auto& entry) { return !entry.second.used; });
  for (auto& [key, entry] : entries_) entry.used = false;
}

}  // namespace bulkhead
