#include <CLI/CLI.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

int Write(const Cli& cli, const v1::ReloadResponse& response) {
  cli.out << fmt::format("configuration: {}\n", response.changed_fields().empty()
                                                    ? "nothing new"
                                                    : fmt::format("{}", fmt::join(response.changed_fields(), ", ")));
  int refused = 0;
  int unchanged = 0;
  for (const v1::ApplyResult& result : response.results()) {
    const bool bad = result.outcome() == v1::APPLY_OUTCOME_REFUSED;
    if (result.outcome() == v1::APPLY_OUTCOME_UNCHANGED) {
      ++unchanged;
      continue;
    }
    refused += int{bad};
    const bool pending = result.outcome() == v1::APPLY_OUTCOME_PENDING;
    const std::string what = pending                                         ? "pending: " + result.error()
                             : bad                                           ? "refused: " + result.error()
                             : result.outcome() == v1::APPLY_OUTCOME_CREATED ? "created"
                                                                             : "changed";
    cli.out << fmt::format("{} {} {}\n", result.kind(), result.name(),
                           Paint(what, bad ? Color::kBad : Color::kGood, cli.color));
  }
  cli.out << fmt::format("manifests: {} objects, {} of them unchanged\n", response.results_size(), unchanged);
  for (const std::string& name : response.left_over())
    cli.out << fmt::format("{} {}\n", name,
                           Paint(fmt::format("left over: no file names it any more; bulkheadctl delete {}", name),
                                 Color::kWarn, cli.color));
  return refused == 0 ? kDone : kFailed;
}

Result<int> Reload(const Cli& cli) {
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  v1::ReloadResponse response;
  const Status reloaded =
      Annotate(client->Call(&v1::NodeService::Stub::Reload, v1::ReloadRequest(), response), "reload");
  // A missing file, or a tenant that a manifest names: a mistake in the files; "not found" is for objects asked for.
  if (reloaded.code() == StatusCode::kNotFound) return InvalidArgument(Message(reloaded));
  BULKHEAD_RETURN_IF_ERROR(reloaded);
  if (!WriteMessage(cli, response)) return Write(cli, response);
  for (const v1::ApplyResult& result : response.results())
    if (result.outcome() == v1::APPLY_OUTCOME_REFUSED) return kFailed;
  return kDone;
}

}  // namespace

void AddReload(CLI::App& app, Cli& cli) {
  AddVerb(app, cli, "reload", "Let the agent read its configuration and manifests again; a bad file is refused whole",
          "bulkheadctl reload", [&cli] { return Reload(cli); });
}

}  // namespace bulkhead::cli
