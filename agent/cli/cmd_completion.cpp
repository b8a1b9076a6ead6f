#include <CLI/CLI.hpp>

#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/complete.h"

namespace bulkhead::cli {
namespace {

using Stub = v1::NodeService::Stub;

constexpr std::chrono::seconds kPatience{1};  // a prompt that waits longer feels broken

std::vector<std::string> Names(Client& client, const NameQuestion& question) {
  std::vector<std::string> names;
  const auto full = [](const auto& object) { return fmt::format("{}/{}", object.tenant(), object.name()); };
  ::bulkhead::Status asked = Ok();
  if (question.kind == "tenant") {
    asked = client.CallPages(&Stub::ListTenants, v1::ListTenantsRequest(), [&](const v1::ListTenantsResponse& page) {
      for (const auto& entry : page.tenants()) names.push_back(entry.tenant().name());
    });
  } else if (question.kind == "task") {
    v1::ListTasksRequest request;
    request.set_tenant(question.tenant);
    asked = client.CallPages(&Stub::ListTasks, request, [&](const v1::ListTasksResponse& page) {
      for (const auto& entry : page.tasks())
        names.push_back(question.tenant.empty() ? full(entry.task()) : entry.task().name());
    });
  } else {
    asked = client.CallPages(&Stub::ListPolicies, v1::ListPoliciesRequest(), [&](const v1::ListPoliciesResponse& page) {
      for (const auto& entry : page.policies()) names.push_back(full(entry.policy()));
    });
  }
  if (!asked.ok()) names.clear();
  return names;
}

// Without an agent, or one that is slow or does not let us in, there are no names, and that is no error: somebody is in
// the middle of a line.
Result<int> CompleteLine(const CLI::App& app, const Cli& cli) {
  const Completion completion = Complete(app, cli.command);
  std::vector<std::string> names;
  if (completion.names) {
    Cli to = cli;
    if (!completion.address.empty()) to.address = completion.address;
    to.timeout = kPatience;
    if (const auto client = Client::Connect(to); client.ok()) names = Names(**client, *completion.names);
  }
  cli.out << ToLines(completion, names);
  return kDone;
}

}  // namespace

void AddCompletion(CLI::App& app, Cli& cli) {
  auto shell = std::make_shared<std::string>();
  CLI::App* verb = AddVerb(app, cli, "completion", "What to load into a shell so that it completes bulkheadctl's words",
                           "bulkheadctl completion bash >/etc/bash_completion.d/bulkheadctl", [&cli, shell] {
                             cli.out << CompletionScript(*shell);
                             return Result<int>(kDone);
                           });
  OneOf(verb->add_option("shell", *shell, "For which shell")->required(), {"bash", "zsh", "fish"});
  AddVerb(app, cli, kCompleteVerb, "What can follow the words behind --; the completion scripts ask",
          "bulkheadctl __complete -- get ta", [&app, &cli] { return CompleteLine(app, cli); })
      ->group("");
}

}  // namespace bulkhead::cli
