#include <CLI/CLI.hpp>

#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/limit_text.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

using Stub = v1::NodeService::Stub;

struct Arguments {
  std::string kind;
  std::string name;
  std::string tenant;
};

template <typename Map>
std::string LabelsText(const Map& labels) {
  const std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  std::string text;
  for (const auto& [key, value] : sorted) text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, value);
  return text.empty() ? "-" : text;
}

template <typename Names>
std::string Join(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "-" : text;
}

std::string OverTexts(const v1::ObjectStatus& status) {
  std::vector<std::string> texts;
  for (const v1::OverCommit& commit : status.over_commits()) texts.push_back(OverText(commit));
  return Join(texts);
}

Result<int> GetTenants(const Cli& cli, Client& client, const Arguments& arguments) {
  v1::ListTenantsResponse all;
  if (!arguments.name.empty()) {
    v1::GetTenantRequest request;
    request.set_name(arguments.name);
    BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetTenant, request, *all.add_tenants()));
    if (WriteMessage(cli, all.tenants(0))) return kDone;
  } else {
    BULKHEAD_RETURN_IF_ERROR(
        client.CallPages(&Stub::ListTenants, v1::ListTenantsRequest(),
                         [&](v1::ListTenantsResponse& page) { all.mutable_tenants()->MergeFrom(page.tenants()); }));
    if (WriteMessage(cli, all)) return kDone;
  }
  Table table({{"TENANT"},
               {"WALLS"},
               {"CPU"},
               {"MEMORY"},
               {"PIDS"},
               {"OVER", false, true},
               {"LABELS", false, true},
               {"WHY", false, true}});
  for (const auto& entry : all.tenants()) {
    const v1::Limits& limits = entry.tenant().limits();
    table.Add({entry.tenant().name(), EnforcementCell(entry.status().enforcement()), CpuMax(limits).value_or("-"),
               OfLimit(Bytes(entry.usage().memory_bytes()), MemoryMax(limits)),
               OfLimit(Count(entry.usage().pids()), PidsMax(limits)), OverTexts(entry.status()),
               LabelsText(entry.tenant().labels()), Join(entry.status().reasons())});
  }
  WriteTable(cli, table);
  return kDone;
}

Result<int> GetTasks(const Cli& cli, Client& client, const Arguments& arguments) {
  v1::ListTasksResponse all;
  if (!arguments.name.empty()) {
    BULKHEAD_ASSIGN(const FullName name, SplitName(arguments.name));
    v1::GetTaskRequest request;
    request.set_tenant(name.tenant);
    request.set_name(name.name);
    BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetTask, request, *all.add_tasks()));
    if (WriteMessage(cli, all.tasks(0))) return kDone;
  } else {
    v1::ListTasksRequest request;
    request.set_tenant(arguments.tenant);
    BULKHEAD_RETURN_IF_ERROR(client.CallPages(
        &Stub::ListTasks, request, [&](v1::ListTasksResponse& page) { all.mutable_tasks()->MergeFrom(page.tasks()); }));
    if (WriteMessage(cli, all)) return kDone;
  }
  const bool wide = cli.format == Format::kWide;
  std::vector<Table::Column> columns = {{"TASK", false, true},    {"WALLS"}, {"RUNS"}, {"CPU"}, {"MEMORY"}, {"PIDS"},
                                        {"POLICIES", false, true}};
  if (wide) columns.insert(columns.end(), {{"LABELS"}, {"CGROUP"}, {"WHY"}});
  Table table(columns);
  for (const auto& entry : all.tasks()) {
    const v1::Limits& limits = entry.task().limits();
    std::vector<Cell> row = {fmt::format("{}/{}", entry.task().tenant(), entry.task().name()),
                             EnforcementCell(entry.status().enforcement()),
                             entry.status().populated() ? "yes" : "no",
                             CpuMax(limits).value_or("-"),
                             OfLimit(Bytes(entry.usage().memory_bytes()), MemoryMax(limits)),
                             OfLimit(Count(entry.usage().pids()), PidsMax(limits)),
                             Join(entry.policies())};
    if (wide)
      row.insert(row.end(), {LabelsText(entry.task().labels()), fmt::format("{}", entry.status().cgroup_id()),
                             Join(entry.status().reasons())});
    table.Add(row);
  }
  WriteTable(cli, table);
  return kDone;
}

template <typename Rules>
std::string RulesText(bool present, const Rules& rules) {
  if (!present) return "-";
  if (rules.rules_size() == 0) return "nothing";
  return fmt::format("{} rule{}", rules.rules_size(), rules.rules_size() == 1 ? "" : "s");
}

Result<int> GetPolicies(const Cli& cli, Client& client, const Arguments& arguments) {
  v1::ListPoliciesResponse all;
  if (!arguments.name.empty()) {
    BULKHEAD_ASSIGN(const FullName name, SplitName(arguments.name));
    v1::GetPolicyRequest request;
    request.set_tenant(name.tenant);
    request.set_name(name.name);
    BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::GetPolicy, request, *all.add_policies()));
    if (WriteMessage(cli, all.policies(0))) return kDone;
  } else {
    v1::ListPoliciesRequest request;
    request.set_tenant(arguments.tenant);
    BULKHEAD_RETURN_IF_ERROR(client.CallPages(&Stub::ListPolicies, request, [&](v1::ListPoliciesResponse& page) {
      all.mutable_policies()->MergeFrom(page.policies());
    }));
    if (WriteMessage(cli, all)) return kDone;
  }
  Table table({{"POLICY", false, true},
               {"SELECT", false, true},
               {"INGRESS"},
               {"EGRESS"},
               {"BIND", false, true},
               {"TASKS", false, true}});
  for (const auto& entry : all.policies()) {
    const v1::NetworkPolicy& policy = entry.policy();
    const std::string select = policy.select().labels().empty() ? "all tasks" : LabelsText(policy.select().labels());
    table.Add({fmt::format("{}/{}", policy.tenant(), policy.name()), select,
               RulesText(policy.has_ingress(), policy.ingress()), RulesText(policy.has_egress(), policy.egress()),
               policy.has_bind() ? Join(policy.bind().ports()) : "any", Join(entry.tasks())});
  }
  WriteTable(cli, table);
  return kDone;
}

Result<int> Get(const Cli& cli, const Arguments& arguments) {
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  const std::string kind = KindOf(arguments.kind);
  const Result<int> done = kind == "tenant" ? GetTenants(cli, *client, arguments)
                           : kind == "task" ? GetTasks(cli, *client, arguments)
                                            : GetPolicies(cli, *client, arguments);
  if (!done.ok()) return Annotate(done.status(), "get");
  return done;
}

}  // namespace

void AddGet(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = AddVerb(app, cli, "get", "List objects, or show one", "bulkheadctl get tasks --tenant acme -o wide",
                           [&cli, arguments] { return Get(cli, *arguments); });
  verb->add_option("kind", arguments->kind, "What to list")
      ->required()
      ->type_name("tenants|tasks|policies")
      ->check([](const std::string& text) { return KindOf(text).empty() ? "use tenants, tasks or policies" : ""; });
  verb->add_option("name", arguments->name, "Only this one: acme, or acme/web-1")->type_name("NAME");
  verb->add_option("--tenant", arguments->tenant, "Only of this tenant")->type_name("TENANT");
}

}  // namespace bulkhead::cli
