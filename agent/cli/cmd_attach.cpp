#include <CLI/CLI.hpp>

#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

struct Arguments {
  std::string task;
  std::vector<int> pids;
};

std::string SocketsLeftOutside(const v1::AttachResult& result) {
  if (!result.sockets_unknown().empty())
    return fmt::format(
        "  how many sockets that it had open stay outside the network walls is unknown, at least {}: {}; restart it to "
        "have none\n",
        result.sockets_outside(), result.sockets_unknown());
  if (result.sockets_outside() == 0) return "";
  return fmt::format("  {} socket(s) that it had open stay outside the network walls: restart it to close them\n",
                     result.sockets_outside());
}

Result<int> Attach(const Cli& cli, const Arguments& arguments) {
  BULKHEAD_ASSIGN(const FullName task, SplitName(arguments.task));
  v1::AttachProcessesRequest request;
  request.set_tenant(task.tenant);
  request.set_task(task.name);
  request.mutable_pids()->Assign(arguments.pids.begin(), arguments.pids.end());
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  v1::AttachProcessesResponse response;
  BULKHEAD_RETURN_IF_ERROR(
      Annotate(client->Call(&v1::NodeService::Stub::AttachProcesses, request, response), "attach"));
  bool failed = false;
  for (const v1::AttachResult& result : response.results()) failed = failed || !result.error().empty();
  if (WriteMessage(cli, response)) return failed ? kFailed : kDone;
  for (const v1::AttachResult& result : response.results()) {
    if (!result.error().empty()) {
      cli.err << fmt::format("bulkheadctl: attach {} to {}: {}\n", result.pid(), arguments.task, result.error());
      continue;
    }
    cli.out << fmt::format("{} moved into {}\n", result.pid(), arguments.task);
    cli.out << SocketsLeftOutside(result);
  }
  return failed ? kFailed : kDone;
}

}  // namespace

void AddAttach(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb =
      AddVerb(app, cli, "attach", "Move running processes into a task", "bulkheadctl attach acme/web-1 --pid 4242 4243",
              [&cli, arguments] { return Attach(cli, *arguments); });
  verb->add_option("task", arguments->task, "acme/web-1")->required()->type_name("TASK");
  verb->add_option("--pid", arguments->pids, "Process ids; repeatable")
      ->required()
      ->type_name("PID")
      ->check(CLI::PositiveNumber);
}

}  // namespace bulkhead::cli
