// What systemd says of Bulkhead's units and of the runtimes beside it, judged. Pure.
#pragma once

#include "agent/cli/findings.h"
#include "agent/cli/host_facts.h"

namespace bulkhead::cli {

void CheckUnits(const HostFacts& host, Findings& findings);

}  // namespace bulkhead::cli
