#include <CLI/CLI.hpp>

#include <map>
#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"
#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

struct Arguments {
  std::vector<std::string> files;
  bool dry_run = false;
  bool prune = false;
};

std::string NameOf(const v1::Object& object) {
  if (object.has_tenant()) return "tenant " + object.tenant().name();
  if (object.has_task()) return fmt::format("task {}/{}", object.task().tenant(), object.task().name());
  return fmt::format("policy {}/{}", object.network_policy().tenant(), object.network_policy().name());
}

// The agent names object and field; the place in the files is ours to add.
std::string WithPlace(const std::string& message, const std::vector<ParsedObject>& objects) {
  for (const ParsedObject& parsed : objects)
    if (message.rfind(NameOf(parsed.object) + ":", 0) == 0)
      return fmt::format("{} ({}:{})", message, parsed.file, parsed.line);
  return message;
}

Cell OutcomeCell(const v1::ApplyResult& result, bool dry_run) {
  const auto text = [&](const char* done, const char* would) { return std::string(dry_run ? would : done); };
  switch (result.outcome()) {
    case v1::APPLY_OUTCOME_CREATED:
      return {text("created", "would be created"), Color::kGood};
    case v1::APPLY_OUTCOME_CHANGED:
      return {text("changed", "would be changed"), Color::kGood};
    case v1::APPLY_OUTCOME_UNCHANGED:
      return {"unchanged", Color::kDim};
    case v1::APPLY_OUTCOME_DELETED:
      return {text("deleted", "would be deleted"), Color::kWarn};
    case v1::APPLY_OUTCOME_PENDING:
      return {fmt::format("pending: {}", result.error()), Color::kWarn};
    default:
      return {fmt::format("refused: {}", result.error()), Color::kBad};
  }
}

bool Refused(const v1::ApplyResponse& response) {
  for (const v1::ApplyResult& result : response.results())
    if (result.outcome() == v1::APPLY_OUTCOME_REFUSED || result.outcome() == v1::APPLY_OUTCOME_PENDING) return true;
  return false;
}

Result<int> Apply(const Cli& cli, const Arguments& arguments) {
  const auto loaded = LoadObjects(arguments.files);
  // A missing file is a failure of ours; "not found" is for objects.
  if (!loaded.ok()) return MakeStatus(StatusCode::kInvalidArgument, Message(loaded.status()));
  const std::vector<ParsedObject>& objects = *loaded;
  if (objects.empty() && arguments.prune)
    return InvalidArgument("apply: there is no object in these files, and --prune would delete everything: refused");
  v1::ApplyRequest request;
  for (const ParsedObject& parsed : objects) *request.add_objects() = parsed.object;
  request.set_validate_only(arguments.dry_run);
  request.set_prune(arguments.prune);

  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  v1::ApplyResponse response;
  const Status applied = client->Call(&v1::NodeService::Stub::Apply, request, response);
  if (!applied.ok()) return MakeStatus(applied.code(), fmt::format("apply {}", WithPlace(Message(applied), objects)));
  if (!WriteMessage(cli, response)) {
    for (const v1::ApplyResult& result : response.results()) {
      const Cell outcome = OutcomeCell(result, arguments.dry_run);
      cli.out << fmt::format("{} {} {}\n", result.kind(), result.name(), Paint(outcome.text, outcome.color, cli.color));
      if (!arguments.dry_run && cli.format != Format::kWide) continue;
      for (const std::string& step : result.steps()) cli.out << "  " << step << "\n";
    }
  }
  return Refused(response) ? kFailed : kDone;
}

}  // namespace

void AddApply(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb =
      AddVerb(app, cli, "apply", "Bring tenants, tasks and policies to what manifests say",
              "bulkheadctl apply -f acme.yaml --dry-run", [&cli, arguments] { return Apply(cli, *arguments); });
  verb->add_option("-f,--file", arguments->files, "A manifest, a folder of them, or - for standard input; repeatable")
      ->required()
      ->type_name("FILE|DIR|-");
  verb->add_flag("--dry-run", arguments->dry_run, "Check, and show the steps that would be done");
  verb->add_flag("--prune", arguments->prune, "Delete tenants, tasks and policies that these files do not name");
}

}  // namespace bulkhead::cli
