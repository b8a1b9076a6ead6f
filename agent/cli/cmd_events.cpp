#include <CLI/CLI.hpp>

#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

struct Arguments {
  bool follow = false;
  uint64_t after = 0;
};

Color ColorOf(const std::string& type) {
  if (type == "refused" || type == "oom_kill" || type == "degraded" || type == "failed") return Color::kBad;
  if (type == "pids_limit" || type == "throttled" || type == "dropped" || type == "repaired") return Color::kWarn;
  return Color::kNone;
}

void Write(const Cli& cli, const v1::Event& event) {
  if (cli.format == Format::kJson) {
    cli.out << ToJson(event, false) << "\n";
  } else if (cli.format == Format::kYaml) {
    v1::WatchEventsResponse response;
    *response.mutable_event() = event;
    cli.out << "---\n";
    (void)WriteMessage(cli, response);  // always yaml here
  } else {
    cli.out << fmt::format("{}  {}  {:<16}  {}\n", LocalTime(event.time().seconds()),
                           Paint(fmt::format("{:<10}", event.type()), ColorOf(event.type()), cli.color),
                           event.object().empty() ? "(node)" : event.object(), event.message());
  }
  cli.out.flush();  // a reader at the other end of a pipe sees it now
}

// Without -f the call has a deadline; with it the stream lasts until somebody ends it.
Result<int> Events(const Cli& cli, const Arguments& arguments) {
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  v1::WatchEventsRequest request;
  request.set_follow(arguments.follow);
  request.set_after_sequence(arguments.after);
  grpc::ClientContext context;
  if (!arguments.follow) context.set_deadline(std::chrono::system_clock::now() + cli.timeout);
  const auto stream = client->stub().WatchEvents(&context, request);
  v1::WatchEventsResponse response;
  while (cli.out.good() && stream->Read(&response)) Write(cli, response.event());
  if (!cli.out.good()) context.TryCancel();
  const Status ended = FromGrpc(stream->Finish());
  if (!cli.out.good()) return kDone;  // nobody reads any more
  BULKHEAD_RETURN_IF_ERROR(Annotate(ended, "events"));
  return kDone;
}

}  // namespace

void AddEvents(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = AddVerb(app, cli, "events", "What happened, with reasons; json: one event per line",
                           "bulkheadctl events -f", [&cli, arguments] { return Events(cli, *arguments); });
  verb->add_flag("-f,--follow", arguments->follow, "Wait for more");
  verb->add_option("--after", arguments->after, "Only events after this sequence number")->type_name("SEQUENCE");
}

}  // namespace bulkhead::cli
