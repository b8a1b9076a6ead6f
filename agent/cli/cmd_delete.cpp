#include <CLI/CLI.hpp>

#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

struct Arguments {
  std::string kind;
  std::string name;
};

Result<int> Delete(const Cli& cli, const Arguments& arguments) {
  v1::DeleteRequest request;
  request.set_kind(KindOf(arguments.kind));
  request.set_name(arguments.name);
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  v1::DeleteResponse response;
  BULKHEAD_RETURN_IF_ERROR(Annotate(client->Delete(request, response), "delete"));
  if (WriteMessage(cli, response)) return kDone;
  cli.out << fmt::format("{} {} {}\n", request.kind(), request.name(), Paint("deleted", Color::kWarn, cli.color));
  if (cli.format == Format::kWide)
    for (const std::string& step : response.steps()) cli.out << "  " << step << "\n";
  return kDone;
}

}  // namespace

void AddDelete(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = AddVerb(app, cli, "delete", "Remove an object; a task's processes are killed",
                           "bulkheadctl delete task acme/web-1", [&cli, arguments] { return Delete(cli, *arguments); });
  verb->add_option("kind", arguments->kind, "What it is")
      ->required()
      ->type_name("tenant|task|policy")
      ->check([](const std::string& text) { return KindOf(text).empty() ? "use tenant, task or policy" : ""; });
  verb->add_option("name", arguments->name, "acme, or acme/web-1")->required()->type_name("NAME");
}

}  // namespace bulkhead::cli
