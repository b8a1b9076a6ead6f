// What is seen of a host without the agent, judged. Pure.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/findings.h"
#include "agent/cli/host_facts.h"
#include "bulkhead/v1/node_service.pb.h"

namespace bulkhead::cli {

// How the agent answered.
struct AgentFacts {
  Status reached;  // ok: it did, and `node` and `findings` are its
  v1::GetNodeResponse node;
  v1::DiagnoseResponse findings;
};

// At least one finding for each thing that is looked at. What the agent has judged better is left to it.
std::vector<v1::Finding> CheckHost(const HostFacts& host, const AgentFacts& agent);

// Those of both sides, the most severe first.
v1::DiagnoseResponse AllFindings(const HostFacts& host, const AgentFacts& agent);

}  // namespace bulkhead::cli
