// The host looked over from both sides: the agent's, where it answers, and ours.
#pragma once

#include <memory>
#include <string>

#include "agent/cli/cli.h"
#include "agent/cli/client.h"
#include "agent/cli/host_checks.h"

namespace bulkhead::cli {

struct Diagnosis {
  HostFacts host;
  AgentFacts agent;
  v1::DiagnoseResponse all;        // the most severe first
  std::unique_ptr<Client> client;  // null: the agent does not answer
};

// `config_file` empty: the one that the agent was started with, else the usual one. When it names a socket and
// --address was not given, that agent is asked.
Diagnosis DiagnoseHost(const Cli& cli, const std::string& config_file);

// For people, within 100 columns.
std::string FindingsText(const v1::DiagnoseResponse& all, bool color);

}  // namespace bulkhead::cli
