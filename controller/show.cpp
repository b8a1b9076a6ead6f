#include "controller/show.h"

#include <chrono>

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/client_context.h>

namespace bulkhead {
namespace {

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

Status FromGrpc(const grpc::Status& status, const std::string& address) {
  if (status.ok()) return Ok();
  return MakeStatus(static_cast<StatusCode>(status.error_code()),
                    fmt::format("ask the controller at {}: {}", address, status.error_message()));
}

std::string Json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);  // fails only for Any
  return text;
}

std::string Bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

double Seconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

uint64_t TrafficBytes(const v1::Usage& usage, v1::TrafficDirection direction) {
  uint64_t bytes = 0;
  for (const v1::Traffic& traffic : usage.traffic())
    if (traffic.direction() == direction) bytes += traffic.bytes();
  return bytes;
}

std::string UsageTable(const v1::GetTenantUsageResponse& response) {
  static constexpr char kRow[] = "{:<20} {:>5} {:>10} {:>10} {:>13} {:>4} {:>10} {:>10} {:>7}\n";
  std::string table =
      fmt::format(kRow, "TENANT", "TASKS", "CPU-S", "THROTTLED", "MEM-GIB-S", "OOM", "IN", "OUT", "DROPS");
  for (const v1::TenantUsage& tenant : response.tenants()) {
    const v1::Usage& usage = tenant.usage();
    uint64_t drops = 0;
    for (const v1::Drops& drop : usage.drops()) drops += drop.packets();
    table += fmt::format(kRow, tenant.tenant(), tenant.streams(), fmt::format("{:.3f}", Seconds(usage.cpu_ns())),
                         fmt::format("{:.3f}", Seconds(usage.throttled_ns())),
                         fmt::format("{:.3f}", static_cast<double>(usage.memory_byte_seconds()) / (1 << 30)),
                         usage.oom_kills(), Bytes(TrafficBytes(usage, v1::TRAFFIC_DIRECTION_INGRESS)),
                         Bytes(TrafficBytes(usage, v1::TRAFFIC_DIRECTION_EGRESS)), drops);
  }
  return table;
}

std::string NodeTable(const v1::ListNodesResponse& response) {
  static constexpr char kRow[] = "{:<34} {:<10} {:>12} {:<26}\n";
  std::string table = fmt::format(kRow, "NODE", "AGENT", "COMMITTED", "LAST REPORT");
  for (const v1::Node& node : response.nodes())
    table += fmt::format(kRow, node.id(), node.agent_version(), node.committed_sequence(),
                         google::protobuf::util::TimeUtil::ToString(node.last_report()).substr(0, 19) + "Z");
  return table;
}

}  // namespace

Result<std::string> ShowUsage(const ShowOptions& options) {
  BULKHEAD_ASSIGN(const std::shared_ptr<grpc::Channel> channel, DialController(options.address, options.tls));
  grpc::ClientContext context;
  SetDeadline(context);
  v1::GetTenantUsageRequest request;
  request.set_tenant(options.tenant);
  v1::GetTenantUsageResponse response;
  BULKHEAD_RETURN_IF_ERROR(
      FromGrpc(v1::FleetService::NewStub(channel)->GetTenantUsage(&context, request, &response), options.address));
  return options.json ? Json(response) : UsageTable(response);
}

Result<std::string> ShowNodes(const ShowOptions& options) {
  BULKHEAD_ASSIGN(const std::shared_ptr<grpc::Channel> channel, DialController(options.address, options.tls));
  const auto stub = v1::FleetService::NewStub(channel);
  v1::ListNodesResponse all;
  v1::ListNodesRequest request;
  do {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::ListNodesResponse page;
    BULKHEAD_RETURN_IF_ERROR(FromGrpc(stub->ListNodes(&context, request, &page), options.address));
    all.mutable_nodes()->MergeFrom(page.nodes());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return options.json ? Json(all) : NodeTable(all);
}

}  // namespace bulkhead
