#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "agent/base/version.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

// The agent's version where it can be had; a missing agent is an answer, too.
Result<int> Version(const Cli& cli) {
  v1::GetNodeResponse node;
  Status asked = Ok();
  if (const auto client = Client::Connect(cli); client.ok()) {
    asked = (*client)->Call(&v1::NodeService::Stub::GetNode, v1::GetNodeRequest(), node);
  } else {
    asked = client.status();
  }
  if (cli.format == Format::kJson) {
    cli.out << fmt::format("{{\"bulkheadctl\": \"{}\", \"bulkheadd\": {}}}\n", kVersion,
                           asked.ok() ? fmt::format("\"{}\"", node.agent_version()) : "null");
  } else if (cli.format == Format::kYaml) {
    cli.out << fmt::format("bulkheadctl: {}\nbulkheadd: {}\n", kVersion, asked.ok() ? node.agent_version() : "null");
  } else {
    cli.out << fmt::format("bulkheadctl {}\n", kVersion);
    cli.out << (asked.ok() ? fmt::format("bulkheadd {}\n", node.agent_version())
                           : fmt::format("bulkheadd unknown: {}\n", Message(asked)));
  }
  return kDone;
}

}  // namespace

void AddVersion(CLI::App& app, Cli& cli) {
  AddVerb(app, cli, "version", "Versions of bulkheadctl and of the agent", "bulkheadctl version -o json",
          [&cli] { return Version(cli); });
}

}  // namespace bulkhead::cli
