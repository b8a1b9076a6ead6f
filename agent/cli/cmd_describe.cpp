#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/limit_text.h"
#include "agent/cli/output.h"
#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

using Stub = v1::NodeService::Stub;

struct Arguments {
  std::string kind;
  std::string name;
};

void Section(const Cli& cli, const std::string& title) { cli.out << Paint(title, Color::kDim, cli.color) << "\n"; }

void Line(const Cli& cli, const std::string& title, const std::string& text) {
  cli.out << fmt::format("  {:<18}{}\n", title, text);
}

void WriteSpec(const Cli& cli, const v1::Object& object) {
  Section(cli, "As applied");
  std::istringstream lines(ToYaml(object));
  for (std::string line; std::getline(lines, line);) cli.out << "  " << line << "\n";
}

// Bounds of the levels above that are narrower than the object's own.
void WriteOverall(const Cli& cli, const v1::ObjectStatus& status) {
  const auto own = LimitLines(status.effective_limits());
  for (const auto& line : LimitLines(status.overall_limits())) {
    if (std::find(own.begin(), own.end(), line) != own.end()) continue;
    const std::string& name = line.first;
    const auto decided = std::find_if(status.decided_by().begin(), status.decided_by().end(), [&](const auto& entry) {
      return entry.first == name || entry.first.starts_with(name + " of ");
    });
    if (decided != status.decided_by().end())
      Line(cli, name, fmt::format("in the end {}, the {}'s", line.second, decided->second));
  }
}

void WriteStatus(const Cli& cli, const v1::ObjectStatus& status) {
  Section(cli, "As the kernel has it");
  const Cell walls = EnforcementCell(status.enforcement());
  Line(cli, "walls", Paint(walls.text, walls.color, cli.color));
  for (const std::string& reason : status.reasons()) Line(cli, "", "- " + reason);
  const auto limits = LimitLines(status.effective_limits());
  for (const auto& [name, value] : limits) Line(cli, name, value);
  if (limits.empty()) Line(cli, "limits", "none");
  WriteOverall(cli, status);
  for (const v1::OverCommit& commit : status.over_commits()) Line(cli, "over-committed", OverText(commit));
  Line(cli, "cgroup", fmt::format("{}, {}", status.cgroup_id(), status.populated() ? "processes run" : "empty"));
  if (!status.uid().empty()) Line(cli, "uid", status.uid());
}

void WriteUsage(const Cli& cli, const v1::Usage& usage) {
  Section(cli, "Used");
  Line(cli, "cpu", CpuTime(usage.cpu_ns()));
  Line(cli, "throttled", fmt::format("{} in {} periods", CpuTime(usage.throttled_ns()), usage.throttled_periods()));
  Line(cli, "memory", fmt::format("{}, at most {}", Bytes(usage.memory_bytes()), Bytes(usage.memory_peak_bytes())));
  Line(cli, "oom kills", fmt::format("{}", usage.oom_kills()));
  Line(cli, "processes", fmt::format("{}; {} forks refused", usage.pids(), usage.pids_failures()));
  for (const v1::Traffic& traffic : usage.traffic())
    Line(cli, traffic.direction() == v1::TRAFFIC_DIRECTION_INGRESS ? "received" : "sent",
         fmt::format("{} in {} packets, {}", Bytes(traffic.bytes()), traffic.packets(), traffic.scope()));
  for (const v1::Drops& drops : usage.drops())
    Line(cli, "dropped",
         fmt::format("{} {} ({})", drops.packets(),
                     drops.direction() == v1::TRAFFIC_DIRECTION_INGRESS ? "ingress" : "egress", drops.reason()));
}

template <typename Names>
void WriteNames(const Cli& cli, const std::string& title, const Names& names) {
  Section(cli, title);
  for (const std::string& name : names) cli.out << "  " << name << "\n";
  if (names.empty()) cli.out << "  none\n";
}

Status DescribeTenant(const Cli& cli, Client& client, const std::string& name) {
  v1::GetTenantRequest request;
  request.set_name(name);
  v1::GetTenantResponse response;
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetTenant, request, response));
  if (WriteMessage(cli, response)) return Ok();
  v1::Object object;
  *object.mutable_tenant() = response.tenant();
  WriteSpec(cli, object);
  WriteStatus(cli, response.status());
  WriteUsage(cli, response.usage());
  return Ok();
}

Status DescribeTask(const Cli& cli, Client& client, const std::string& name) {
  BULKHEAD_ASSIGN(const FullName full, SplitName(name));
  v1::GetTaskRequest request;
  request.set_tenant(full.tenant);
  request.set_name(full.name);
  v1::GetTaskResponse response;
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetTask, request, response));
  if (WriteMessage(cli, response)) return Ok();
  v1::Object object;
  *object.mutable_task() = response.task();
  WriteSpec(cli, object);
  WriteStatus(cli, response.status());
  WriteUsage(cli, response.usage());
  WriteNames(cli, "Policies that select it", response.policies());
  return Ok();
}

Status DescribePolicy(const Cli& cli, Client& client, const std::string& name) {
  BULKHEAD_ASSIGN(const FullName full, SplitName(name));
  v1::GetPolicyRequest request;
  request.set_tenant(full.tenant);
  request.set_name(full.name);
  v1::GetPolicyResponse response;
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetPolicy, request, response));
  if (WriteMessage(cli, response)) return Ok();
  v1::Object object;
  *object.mutable_network_policy() = response.policy();
  WriteSpec(cli, object);
  WriteNames(cli, "Tasks that it selects", response.tasks());
  return Ok();
}

Result<int> Describe(const Cli& cli, const Arguments& arguments) {
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  const std::string kind = KindOf(arguments.kind);
  BULKHEAD_RETURN_IF_ERROR(Annotate(kind == "tenant" ? DescribeTenant(cli, *client, arguments.name)
                                    : kind == "task" ? DescribeTask(cli, *client, arguments.name)
                                                     : DescribePolicy(cli, *client, arguments.name),
                                    "describe"));
  return kDone;
}

}  // namespace

void AddDescribe(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb =
      AddVerb(app, cli, "describe", "All about one object: asked for, enforced, used",
              "bulkheadctl describe task acme/web-1", [&cli, arguments] { return Describe(cli, *arguments); });
  verb->add_option("kind", arguments->kind, "What it is")
      ->required()
      ->type_name("tenant|task|policy")
      ->check([](const std::string& text) { return KindOf(text).empty() ? "use tenant, task or policy" : ""; });
  verb->add_option("name", arguments->name, "acme, or acme/web-1")->required()->type_name("NAME");
}

}  // namespace bulkhead::cli
