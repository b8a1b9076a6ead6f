#include "agent/cli/diagnose.h"

#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

using Stub = v1::NodeService::Stub;

Status Ask(Client& client, AgentFacts& agent) {
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetNode, v1::GetNodeRequest(), agent.node));
  return client.Call(&Stub::Diagnose, v1::DiagnoseRequest(), agent.findings);
}

}  // namespace

Diagnosis DiagnoseHost(const Cli& cli, const std::string& config_file) {
  Cli to = cli;
  if (to.address == kDefaultAddress && !config_file.empty())
    if (const auto config = LoadConfig(config_file); config.ok()) to.address = "unix://" + config->paths().socket();
  Diagnosis diagnosis;
  auto client = Client::Connect(to);
  if (client.ok()) {
    diagnosis.agent.reached = Annotate(Ask(**client, diagnosis.agent), "ask the agent");
    if (diagnosis.agent.reached.ok()) diagnosis.client = *std::move(client);
  } else {
    diagnosis.agent.reached = client.status();
  }
  const std::string used = config_file.empty() ? diagnosis.agent.node.config_file() : config_file;
  diagnosis.host = ReadHost(used, SocketPath(to.address));
  diagnosis.all = AllFindings(diagnosis.host, diagnosis.agent);
  return diagnosis;
}

}  // namespace bulkhead::cli
