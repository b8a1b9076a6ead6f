#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <memory>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/launch.h"
#include "agent/cli/parse.h"
#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

using Stub = v1::NodeService::Stub;

struct Arguments {
  std::string tenant;
  std::string task;
  std::vector<std::string> settings;
  std::string user;
  bool remove = false;
  std::string full() const { return tenant + "/" + task; }
};

Status Change(v1::Task& task, const std::vector<std::string>& settings) {
  for (const std::string& text : settings) {
    BULKHEAD_ASSIGN(const Setting setting, ParseSetting(text));
    BULKHEAD_RETURN_IF_ERROR(Annotate(SetField(task, setting.field, setting.value), "--set " + text));
  }
  return Ok();
}

Status ApplyTask(Client& client, const v1::Task& task) {
  v1::ApplyRequest request;
  *request.add_objects()->mutable_task() = task;
  v1::ApplyResponse response;
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::Apply, request, response));
  for (const v1::ApplyResult& result : response.results())
    if (result.outcome() == v1::APPLY_OUTCOME_REFUSED || result.outcome() == v1::APPLY_OUTCOME_PENDING)
      return MakeStatus(StatusCode::kFailedPrecondition,
                        fmt::format("{} {}: {}", result.kind(), result.name(), result.error()));
  return Ok();
}

// The task as it was applied, with --set on top; made when there is none, which `made` tells.
Status EnsureTask(Client& client, const Arguments& arguments, bool& made) {
  v1::GetTaskRequest request;
  request.set_tenant(arguments.tenant);
  request.set_name(arguments.task);
  v1::GetTaskResponse response;
  const Status found = client.Call(&Stub::GetTask, request, response);
  if (!found.ok() && found.code() != StatusCode::kNotFound) return found;
  v1::Task task = response.task();
  task.set_tenant(arguments.tenant);
  task.set_name(arguments.task);
  BULKHEAD_RETURN_IF_ERROR(Change(task, arguments.settings));
  if (found.ok() && arguments.settings.empty()) return Ok();
  const Status applied = ApplyTask(client, task);
  made = applied.ok() && !found.ok();
  return applied;
}

// One that several of the descriptors stand for counts once.
size_t InetSocketsAmong(const std::vector<int>& descriptors) {
  std::set<ino_t> sockets;
  for (const int descriptor : descriptors) {
    int domain = 0;
    socklen_t size = sizeof(domain);
    struct stat info {};
    if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || ::fstat(descriptor, &info) != 0)
      continue;
    if (domain == AF_INET || domain == AF_INET6) sockets.insert(info.st_ino);
  }
  return sockets.size();
}

Status Place(const Cli& cli, Client& client, const Arguments& arguments, int pid) {
  v1::AttachProcessesRequest request;
  request.set_tenant(arguments.tenant);
  request.set_task(arguments.task);
  request.add_pids(pid);
  v1::AttachProcessesResponse response;
  BULKHEAD_RETURN_IF_ERROR(client.Call(&Stub::AttachProcesses, request, response));
  if (response.results_size() != 1) return Internal("the agent did not say whether the process was placed");
  const v1::AttachResult& result = response.results(0);
  if (!result.error().empty()) return MakeStatus(StatusCode::kFailedPrecondition, result.error());
  // Counted here: the child's standard streams are ours, and the agent may not be allowed to look at them.
  if (const size_t sockets = InetSocketsAmong({STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}); sockets > 0)
    cli.err << fmt::format("bulkheadctl: run: {} socket(s) among the standard streams stay outside the network walls\n",
                           sockets);
  return Ok();
}

Status Remove(const Cli& cli, const Arguments& arguments) {
  // A connection of its own: the command may have run for months, over restarts of the agent.
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  v1::DeleteRequest request;
  request.set_kind("task");
  request.set_name(arguments.full());
  v1::DeleteResponse response;
  const Status removed = client->Delete(request, response);
  return removed.code() == StatusCode::kNotFound ? Ok() : removed;
}

Status Start(const Cli& cli, const Arguments& arguments, Launch& launch, bool& made) {
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  BULKHEAD_RETURN_IF_ERROR(EnsureTask(*client, arguments, made));
  BULKHEAD_RETURN_IF_ERROR(Place(cli, *client, arguments, launch.pid()));
  return launch.Go();
}

// The child is forked before gRPC has threads, stands still, is placed, and only then runs: its first instruction is
// behind the walls.
Result<int> Run(const Cli& cli, const Arguments& arguments) {
  std::optional<User> user;
  if (!arguments.user.empty()) {
    BULKHEAD_ASSIGN(user, FindUser(arguments.user));
  }
  v1::Task trial;
  BULKHEAD_RETURN_IF_ERROR(Annotate(Change(trial, arguments.settings), "run"));  // before anything is done
  BULKHEAD_ASSIGN(Launch launch, Launch::Prepare(cli.command, user));
  Result<int> code = kFailed;
  bool made = false;
  const Status started = Start(cli, arguments, launch, made);
  if (started.ok())
    code = launch.Wait();
  else
    code = Annotate(started, "run in task " + arguments.full());
  // A task that was there before is not ours to delete when nothing of ours ever ran in it.
  if (!arguments.remove || (!started.ok() && !made)) return code;
  if (const Status removed = Remove(cli, arguments); !removed.ok() && code.ok())
    cli.err << fmt::format("bulkheadctl: run: delete task {}: {}\n", arguments.full(), Message(removed));
  return code;
}

std::string CheckSetting(const std::string& text) { return Message(ParseSetting(text).status()); }

}  // namespace

void AddRun(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb =
      AddVerb(app, cli, "run", "Run what stands after -- inside a task, which is made if need be",
              "bulkheadctl run --tenant acme --task job --set limits.memory.max=256MiB --rm -- ./job --fast",
              [&cli, arguments] { return Run(cli, *arguments); });
  verb->add_option("--tenant", arguments->tenant, "Whose; the tenant must exist")->required()->type_name("TENANT");
  verb->add_option("--task", arguments->task, "Task to run in; made when there is none")->required()->type_name("NAME");
  verb->add_option("--set", arguments->settings, "Change the task first: limits.memory.max=256MiB; repeatable")
      ->type_name("FIELD=VALUE")
      ->expected(1)
      ->take_all()
      ->check(CheckSetting);
  verb->add_option("--user", arguments->user, "Run as this user, by name or number; needs root")->type_name("USER");
  verb->add_flag("--rm", arguments->remove, "Delete the task afterwards, with whatever still runs in it");
}

}  // namespace bulkhead::cli
