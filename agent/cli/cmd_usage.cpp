#include <CLI/CLI.hpp>

#include <google/protobuf/util/time_util.h>

#include <memory>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"
#include "agent/cli/parse.h"

namespace bulkhead::cli {
namespace {

struct Arguments {
  std::string tenant;
  std::string since;
};

struct Network {
  uint64_t received = 0;
  uint64_t sent = 0;
  uint64_t dropped = 0;
};

Network Sum(const v1::Usage& usage) {
  Network sum;
  for (const v1::Traffic& traffic : usage.traffic())
    (traffic.direction() == v1::TRAFFIC_DIRECTION_INGRESS ? sum.received : sum.sent) += traffic.bytes();
  for (const v1::Drops& drops : usage.drops()) sum.dropped += drops.packets();
  return sum;
}

void WriteCsv(const Cli& cli, const v1::GetUsageResponse& response) {
  using google::protobuf::util::TimeUtil;
  cli.out
      << "tenant,task,task_uid,start,end,final,cpu_ns,throttled_ns,throttled_periods,memory_bytes,"
         "memory_peak_bytes,memory_byte_seconds,oom_kills,pids_failures,received_bytes,sent_bytes,dropped_packets\n";
  for (const v1::TaskUsage& task : response.tasks()) {
    const v1::Usage& usage = task.usage();
    const Network network = Sum(usage);
    cli.out << fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", task.tenant(), task.task(),
                           task.task_uid(), TimeUtil::ToString(task.start_time()), TimeUtil::ToString(task.end_time()),
                           task.final(), usage.cpu_ns(), usage.throttled_ns(), usage.throttled_periods(),
                           usage.memory_bytes(), usage.memory_peak_bytes(), usage.memory_byte_seconds(),
                           usage.oom_kills(), usage.pids_failures(), network.received, network.sent, network.dropped);
  }
}

std::string ByteHours(uint64_t byte_seconds) {
  return fmt::format("{:.3f} GiB·h", static_cast<double>(byte_seconds) / 3600 / static_cast<double>(1ULL << 30U));
}

void WriteUsageTable(const Cli& cli, const v1::GetUsageResponse& response) {
  Table table({{"TASK", false, true},
               {"CPU", true},
               {"MEMORY", true},
               {"RECEIVED", true},
               {"SENT", true},
               {"DROPPED", true},
               {"OOM", true},
               {"OVER", true},
               {"STATE"}});
  for (const v1::TaskUsage& task : response.tasks()) {
    const Network network = Sum(task.usage());
    table.Add({fmt::format("{}/{}", task.tenant(), task.task()), CpuTime(task.usage().cpu_ns()),
               ByteHours(task.usage().memory_byte_seconds()), Bytes(network.received), Bytes(network.sent),
               Count(network.dropped), Count(task.usage().oom_kills()),
               Seconds(task.end_time().seconds() - task.start_time().seconds()), task.final() ? "ended" : "live"});
  }
  WriteTable(cli, table);
}

Result<int> Usage(const Cli& cli, const Arguments& arguments) {
  v1::GetUsageRequest request;
  request.set_tenant(arguments.tenant);
  if (!arguments.since.empty()) {
    BULKHEAD_ASSIGN(const std::chrono::seconds since, ParseDuration(arguments.since));
    request.mutable_since()->set_seconds(since.count());
  }
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  v1::GetUsageResponse response;
  BULKHEAD_RETURN_IF_ERROR(Annotate(client->Call(&v1::NodeService::Stub::GetUsage, request, response), "usage"));
  if (cli.format == Format::kCsv) {
    WriteCsv(cli, response);
  } else if (!WriteMessage(cli, response)) {
    WriteUsageTable(cli, response);
  }
  return kDone;
}

}  // namespace

void AddUsage(CLI::App& app, Cli& cli) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = AddVerb(app, cli, "usage", "Metered totals by task; also -o csv",
                           "bulkheadctl usage --tenant acme --since 1h -o csv",
                           [&cli, arguments] { return Usage(cli, *arguments); });
  verb->add_option("--tenant", arguments->tenant, "Only of this tenant")->type_name("TENANT");
  verb->add_option("--since", arguments->since, "Only what was used in the last …: 90s, 15m, 1h, 7d")
      ->type_name("DURATION")
      ->check([](const std::string& text) { return Message(ParseDuration(text).status()); });
}

}  // namespace bulkhead::cli
