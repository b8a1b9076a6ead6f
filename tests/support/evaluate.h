// Verdicts from a compiled policy by the rule that agent/model/compiled_policy.h documents, as slowly and plainly as
// possible. What the data plane must agree with.
#pragma once

#include <optional>

#include "agent/model/compiled_policy.h"

namespace bulkhead::test {

// Who the remote end is.
enum class Remote : uint8_t { kSameTenant, kOtherTenant, kNoTask };

struct Flow {
  Direction direction = Direction::kEgress;  // kIngress or kEgress
  Remote remote = Remote::kNoTask;
  IpAddress address;  // of the remote end
  uint8_t protocol = 6;
  uint16_t port = 0;  // of the side that is connected to; 0 for protocols without ports
};

struct Verdict {
  bool allow = false;
  std::optional<uint32_t> rule;  // nullopt: nothing matched
};

Verdict Evaluate(const CompiledPolicy& policy, const Flow& flow);
// bind(2) to this port: true without a restriction.
bool MayBind(const CompiledPolicy& policy, uint8_t protocol, uint16_t port);

}  // namespace bulkhead::test
