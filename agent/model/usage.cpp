#include "agent/model/usage.h"

namespace bulkhead {

const char* ScopeName(Scope scope) {
  constexpr const char* kNames[kScopes] = {"same_tenant", "other_tenant", "host", "private", "internet"};
  return kNames[static_cast<size_t>(scope)];
}

const char* DropReasonName(DropReason reason) {
  constexpr const char* kNames[kDropReasons] = {"none",     "unknown_task", "policy",  "malformed",
                                                "fragment", "no_state",     "spoofed", "bind"};
  return kNames[static_cast<size_t>(reason)];
}

}  // namespace bulkhead
