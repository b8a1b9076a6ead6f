#include <CLI/CLI.hpp>

#include <ctime>
#include <sstream>

#include <fmt/format.h>

#include "agent/cli/client.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

constexpr size_t kIndent = 12;

std::string ControllerLine(const v1::ControllerState& controller) {
  if (controller.address().empty())
    return fmt::format("none configured; {} usage records kept here", controller.last_sequence());
  const uint64_t behind = controller.last_sequence() - controller.acknowledged_sequence();
  if (controller.connected())
    return fmt::format("{}, connected, {} records to send", controller.address(), Count(behind));
  return fmt::format("{}, not connected ({}), {} records wait here", controller.address(), controller.error(),
                     Count(behind));
}

std::string LoadLine(const v1::LoadState& load) {
  const std::string when = LocalTime(load.time().seconds());
  if (load.error().empty()) return fmt::format("read {}, all of them in force", when);
  const std::string since =
      load.has_success_time() ? "those of " + LocalTime(load.success_time().seconds()) + " hold" : "see the errors";
  return fmt::format("read {}, not in force as written; {}:", when, since);
}

const char* BaselineName(v1::NetworkBaseline baseline) {
  switch (baseline) {
    case v1::NETWORK_BASELINE_ISOLATE:
      return "isolate";
    case v1::NETWORK_BASELINE_DENY:
      return "deny";
    case v1::NETWORK_BASELINE_ALLOW:
      return "allow";
    default:
      return "unknown";
  }
}

std::string FeaturesText(const v1::GetNodeResponse& node, bool working) {
  std::string text;
  for (const v1::Feature& feature : node.features())
    if (feature.works() == working) text += (text.empty() ? "" : ", ") + feature.name();
  return text.empty() ? "none" : text;
}

void Write(const Cli& cli, const v1::GetNodeResponse& node) {
  const auto line = [&](const char* title, const std::string& text) {
    cli.out << fmt::format("{:<{}}{}\n", title, kIndent, text);
  };
  const Cell enforcement = EnforcementCell(node.enforcement());
  line("Node", node.node_id());
  line("Agent", fmt::format("bulkheadd {}, {}, up {}", node.agent_version(), node.ready() ? "ready" : "starting",
                            Seconds(std::time(nullptr) - node.started_at().seconds())));
  line("Walls", Paint(enforcement.text, enforcement.color, cli.color));
  for (const std::string& reason : node.reasons()) line("", "- " + reason);
  line("Kernel", fmt::format("{}, cgroups {}, root {}", node.kernel(), node.cgroup_mode(), node.cgroup_root()));
  line("Features", Wrap(FeaturesText(node, true), kIndent, Table::kWidth));
  if (const std::string missing = FeaturesText(node, false); missing != "none")
    line("",
         Wrap(fmt::format("not here: {}; bulkheadctl doctor says what that means", missing), kIndent, Table::kWidth));
  line("Network", fmt::format("baseline {}", BaselineName(node.baseline())));
  line("Objects", fmt::format("{} tenants, {} tasks, {} policies", node.tenants(), node.tasks(), node.policies()));
  line("Controller", ControllerLine(node.controller()));
  line("Files", LoadLine(node.load()));
  std::istringstream errors(node.load().error());
  for (std::string error; std::getline(errors, error);) line("", "- " + Paint(error, Color::kBad, cli.color));
  for (const std::string& name : node.left_over())
    line("Left over", fmt::format("{}: no file names it any more; bulkheadctl delete {}", name, name));
  line("Log", "level " + node.log_level());
  if (cli.format != Format::kWide) return;
  for (const v1::MapUse& use : node.maps())
    line("Map", fmt::format("{}: {} of {}", use.name(), use.used(), use.capacity()));
}

Result<int> Status(const Cli& cli) {
  BULKHEAD_ASSIGN(const auto client, Client::Connect(cli));
  v1::GetNodeResponse node;
  BULKHEAD_RETURN_IF_ERROR(
      Annotate(client->Call(&v1::NodeService::Stub::GetNode, v1::GetNodeRequest(), node), "status"));
  if (!WriteMessage(cli, node)) Write(cli, node);
  return node.ready() ? kDone : kFailed;
}

}  // namespace

void AddStatus(CLI::App& app, Cli& cli) {
  AddVerb(app, cli, "status", "Node, kernel, what is enforced; exit code 0 once the agent is ready",
          "bulkheadctl status -o wide", [&cli] { return Status(cli); });
}

}  // namespace bulkhead::cli
