#include <CLI/CLI.hpp>

#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

Result<int> LogLevel(const Cli& cli, const std::string& level) {
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  if (level.empty()) {
    v1::GetNodeResponse node;
    BULKHEAD_RETURN_IF_ERROR(
        Annotate(client->Call(&v1::NodeService::Stub::GetNode, v1::GetNodeRequest(), node), "log-level"));
    v1::SetLogLevelRequest now;
    now.set_level(node.log_level());
    if (!WriteMessage(cli, now)) cli.out << node.log_level() << "\n";
    return kDone;
  }
  v1::SetLogLevelRequest request;
  request.set_level(level);
  v1::SetLogLevelResponse response;
  BULKHEAD_RETURN_IF_ERROR(Annotate(client->Call(&v1::NodeService::Stub::SetLogLevel, request, response), "log-level"));
  if (!WriteMessage(cli, response))
    cli.out << fmt::format("{}, was {}; until the next reload or restart\n", level, response.previous());
  return kDone;
}

}  // namespace

void AddLogLevel(CLI::App& app, Cli& cli) {
  auto level = std::make_shared<std::string>();
  CLI::App* verb =
      AddVerb(app, cli, "log-level", "What the agent logs, and change that until its next reload or restart",
              "bulkheadctl log-level debug", [&cli, level] { return LogLevel(cli, *level); });
  OneOf(verb->add_option("level", *level, "What to log from now on; without it the level is shown"),
        {"debug", "info", "warning", "error"});
}

}  // namespace bulkhead::cli
