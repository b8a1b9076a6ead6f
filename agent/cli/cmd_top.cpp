#include <CLI/CLI.hpp>

#include <poll.h>

#include <map>
#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"
#include "agent/cli/screen.h"
#include "agent/cli/top_model.h"

namespace bulkhead::cli {
namespace {

using Stub = v1::NodeService::Stub;

const std::map<std::string, SortBy> kSorts = {{"name", SortBy::kName},
                                              {"cpu", SortBy::kCpu},
                                              {"memory", SortBy::kMemory},
                                              {"net", SortBy::kNet},
                                              {"pids", SortBy::kPids}};

struct Arguments {
  bool once = false;
  std::string sort = "cpu";
  double interval = 2;
};

Result<Snapshot> Look(Client& client) {
  Snapshot snapshot;
  BULKHEAD_RETURN_IF_ERROR(client.CallPages(
      &Stub::ListTenants, v1::ListTenantsRequest(),
      [&](v1::ListTenantsResponse& page) { snapshot.tenants.mutable_tenants()->MergeFrom(page.tenants()); }));
  BULKHEAD_RETURN_IF_ERROR(client.CallPages(&Stub::ListTasks, v1::ListTasksRequest(), [&](v1::ListTasksResponse& page) {
    snapshot.tasks.mutable_tasks()->MergeFrom(page.tasks());
  }));
  return snapshot;
}

// Two looks, so that there are rates.
Status Once(const Cli& cli, Client& client, const Arguments& arguments) {
  BULKHEAD_ASSIGN(const Snapshot before, Look(client));
  if (cli.format == Format::kJson || cli.format == Format::kYaml) {
    (void)WriteMessage(cli, before.tasks);
    return Ok();
  }
  (void)::poll(nullptr, 0, static_cast<int>(arguments.interval * 1000));
  BULKHEAD_ASSIGN(const Snapshot now, Look(client));
  WriteTable(cli, MakeTable(MakeRows(before, now, kSorts.at(arguments.sort))));
  return Ok();
}

Status Live(Client& client, const Arguments& arguments) {
  SortBy sort = kSorts.at(arguments.sort);
  BULKHEAD_ASSIGN(Snapshot before, Look(client));
  BULKHEAD_ASSIGN(const auto screen, Screen::Open());
  Snapshot now = before;
  while (true) {
    screen->Show("bulkhead top   sort: c cpu, m memory, n net, p pids, a name   q quits\n\n" +
                 MakeTable(MakeRows(before, now, sort)).ToString(Table::kWidth, false));
    switch (screen->Key(std::chrono::milliseconds(static_cast<int>(arguments.interval * 1000)))) {
      case 'q':
        return Ok();
      case 'c':
        sort = SortBy::kCpu;
        continue;
      case 'm':
        sort = SortBy::kMemory;
        continue;
      case 'n':
        sort = SortBy::kNet;
        continue;
      case 'p':
        sort = SortBy::kPids;
        continue;
      case 'a':
        sort = SortBy::kName;
        continue;
      default:
        break;
    }
    BULKHEAD_ASSIGN(Snapshot next, Look(client));
    before = std::move(now);
    now = std::move(next);
  }
}

Result<int> Top(const Cli& cli, const Arguments& arguments) {
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  BULKHEAD_RETURN_IF_ERROR(arguments.once ? Once(cli, *client, arguments) : Live(*client, arguments));
  return kDone;
}

}  // namespace

void AddTop(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = AddVerb(app, cli, "top", "Tenants and tasks: use against limit, live",
                           "bulkheadctl top --once --sort memory", [&cli, arguments] { return Top(cli, *arguments); });
  verb->add_flag("--once", arguments->once, "One table, no screen; json and yaml: the tasks as the API has them");
  std::vector<std::string> sorts;
  sorts.reserve(kSorts.size());
  for (const auto& [name, by] : kSorts) sorts.push_back(name);
  OneOf(verb->add_option("--sort", arguments->sort, "What comes first: most used, or names in order"), sorts)
      ->capture_default_str();
  verb->add_option("--interval", arguments->interval, "Seconds between two looks")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
}

}  // namespace bulkhead::cli
