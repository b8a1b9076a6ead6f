// Compiled policies by the policies that select: 500 tasks that are selected alike compile once.
#pragma once

#include <map>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/specs.h"
#include "agent/plan/plan.h"

namespace bulkhead {

class PolicyCache {
 public:
  explicit PolicyCache(Baseline baseline) : baseline_(baseline) {}

  Result<HashedPolicy> Get(const DesiredState& desired, const TaskSpec& task);
  void Forget(const PolicyId& policy);  // its spec changed
  void DropUnused();                    // what nobody got since the last DropUnused

 private:
  struct Entry {
    HashedPolicy policy;
    bool used = true;
  };
  Baseline baseline_;
  std::map<std::vector<PolicyId>, Entry> entries_;
};

}  // namespace bulkhead
