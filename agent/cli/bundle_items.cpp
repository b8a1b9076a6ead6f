#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "agent/base/version.h"
#include "agent/cli/bundle.h"
#include "agent/cli/diagnose.h"
#include "agent/cli/output.h"
#include "agent/cli/redact.h"
#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

using Items = std::vector<BundleItem>;

constexpr const char* kOurUnits[] = {"bulkheadd.service", "bulkhead-tenants.service", "bulkhead.slice"};
// No property that holds a command line or an environment: those of a runtime may carry secrets.
constexpr const char* kUnitProperties =
    "--property=Id,LoadState,ActiveState,SubState,Result,UnitFileState,FragmentPath,DropInPaths,NeedDaemonReload,"
    "NRestarts,MainPID,ExecMainStatus,ExecMainStartTimestamp,ActiveEnterTimestamp,InactiveEnterTimestamp,Type,KillMode,"
    "ControlGroup,Slice,Delegate,DevicePolicy,PrivateDevices,MemoryCurrent,MemoryMin,MemoryMax,TasksCurrent,TasksMax,"
    "LimitNOFILE,CapabilityBoundingSet,After,Before,Wants,Requires";

std::string Versions(const HostFacts& host, const AgentFacts& agent) {
  const std::string daemon = agent.reached.ok() ? agent.node.agent_version() : "unknown: " + Message(agent.reached);
  return fmt::format("bulkheadctl {}\nbulkheadd {}\nkernel {}\n", kVersion, daemon, host.kernel);
}

BundleSource Configuration(const HostFacts& host) {
  if (!host.config_status.ok()) return FromNowhere{Message(host.config_status)};
  const std::string from =
      host.config_file.empty() ? "no file: the defaults" : host.config_file + ", with every default filled in";
  return FromText{fmt::format("# {}\n{}", from, ToYaml(host.config))};
}

void AddConfiguration(const HostFacts& host, Items& items) {
  const v1::PathsConfig& paths = host.config.paths();
  items.push_back(
      {"configuration/bulkheadd.yaml", "the configuration on disk, defaults filled in", Configuration(host)});
  items.push_back({"configuration/manifests.yaml", "the manifests on disk", FromManifests{paths.manifests()}});
  std::vector<std::string> folders = {paths.manifests(), paths.state(), paths.socket()};
  if (!host.config_file.empty()) folders.insert(folders.begin(), host.config_file);
  items.push_back({"configuration/files.txt", "the agent's files: mode, owner, size, time", FromFolders{folders}});
}

void AddAgent(const AgentFacts& agent, Items& items) {
  const auto add = [&](const char* name, const char* about, AgentQuestion question, bool newest = false) {
    BundleSource source = FromAgent{question};
    if (!agent.reached.ok()) source = FromNowhere{Message(agent.reached)};
    items.push_back({fmt::format("agent/{}", name), about, source, newest});
  };
  add("status.json", "the node, what it can enforce and does", AgentQuestion::kStatus);
  add("events.jsonl", "what happened, oldest first", AgentQuestion::kEvents, true);
  add("plan.jsonl", "steps that would bring the kernel to what is desired; none: it is there", AgentQuestion::kPlan);
  add("tenants.jsonl", "as asked for, as the kernel has it, what was used", AgentQuestion::kTenants);
  add("tasks.jsonl", "as asked for, as the kernel has it, what was used", AgentQuestion::kTasks);
  add("policies.jsonl", "policies, and whom they select", AgentQuestion::kPolicies);
  add("usage.jsonl", "metered totals by task", AgentQuestion::kUsage);
}

void AddSystemd(const HostFacts& host, Items& items) {
  const auto add = [&](std::string name, const char* about, std::vector<std::string> command, bool newest = false) {
    BundleSource source = FromCommand{std::move(command)};
    if (!host.systemd) source = FromNowhere{"this host does not run systemd"};
    items.push_back({std::move(name), about, source, newest});
  };
  // Of the tenants' unit only what systemd says: what its processes log belongs to the tenants.
  add("journal/bulkheadd.log", "the agent's log, and what systemd says of it",
      {"journalctl", "--no-pager", "--output=short-iso-precise", "--lines", kBundleJournalLines, "--unit",
       kOurUnits[0]},
      true);
  add("journal/bulkhead-tenants.log", "what systemd says of the tenants' unit",
      {"journalctl", "--no-pager", "--output=short-iso-precise", "--lines", kBundleJournalLines, "_PID=1",
       fmt::format("UNIT={}", kOurUnits[1])},
      true);
  for (const char* unit : kOurUnits)
    add(fmt::format("units/{}", unit), "the unit with its drop-ins", {"systemctl", "cat", "--no-pager", unit});
  std::vector<std::string> show = {"systemctl", "show", "--no-pager", kUnitProperties};
  show.insert(show.end(), std::begin(kOurUnits), std::end(kOurUnits));
  for (const auto& [id, unit] : host.units)
    if (std::none_of(std::begin(kOurUnits), std::end(kOurUnits), [&](const char* ours) { return id == ours; }))
      show.push_back(id);
  add("units/state.txt", "state and settings of these units and of container runtimes", show);
  add("units/systemd.txt", "its version", {"systemctl", "--version"});
}

// Where the top cgroup is below each hierarchy's top.
std::vector<std::string> CgroupRoots(const HostFacts& host, const AgentFacts& agent) {
  for (const Mount& mount : host.mounts)
    if (mount.type == "cgroup2" && agent.node.cgroup_root().starts_with(mount.point + "/"))
      return {agent.node.cgroup_root().substr(mount.point.size() + 1)};
  if (host.config.cgroup().root() != "auto") return {host.config.cgroup().root()};
  return {"bulkhead.slice/bulkhead-tenants.service", "bulkhead"};
}

void AddKernel(const HostFacts& host, const AgentFacts& agent, Items& items) {
  FromCgroups cgroups{.hierarchies = {}, .roots = CgroupRoots(host, agent)};
  for (const Mount& mount : host.mounts)
    if (mount.type == "cgroup2" || mount.type == "cgroup") cgroups.hierarchies.push_back(mount.point);
  items.push_back({"kernel/cgroups.txt", "limits and counters of the node, its tenants and tasks", cgroups});
  items.push_back(
      {"kernel/pins.txt", "pinned programs, links and tables with their sizes", FromPins{host.config.paths().bpffs()}});
  constexpr std::array<std::array<const char*, 2>, 17> kFiles{{
      {"mounts", "/proc/self/mountinfo"},
      {"own_cgroup", "/proc/self/cgroup"},
      {"cgroup_controllers", "/proc/cgroups"},
      {"version", "/proc/version"},
      {"command_line", "/proc/cmdline"},
      {"distribution", "/etc/os-release"},
      {"memory", "/proc/meminfo"},
      {"load", "/proc/loadavg"},
      {"uptime", "/proc/uptime"},
      {"pressure_cpu", "/proc/pressure/cpu"},
      {"pressure_memory", "/proc/pressure/memory"},
      {"pressure_io", "/proc/pressure/io"},
      {"security_modules", "/sys/kernel/security/lsm"},
      {"lockdown", "/sys/kernel/security/lockdown"},
      {"bpf_jit", "/proc/sys/net/core/bpf_jit_enable"},
      {"bpf_unprivileged", "/proc/sys/kernel/unprivileged_bpf_disabled"},
      {"open_files", "/proc/sys/fs/file-nr"},
  }};
  for (const auto& [name, path] : kFiles) items.push_back({fmt::format("kernel/{}.txt", name), path, FromFile{path}});
}

}  // namespace

bool CgroupFileWanted(const std::string& name) {
  constexpr std::array<const char*, 9> kFamilies = {"cgroup.", "cpu.",     "cpuacct.", "cpuset.", "memory.",
                                                    "pids.",   "hugetlb.", "io.",      "blkio."};
  constexpr std::array<const char*, 9> kNot = {"cgroup.procs",       "cgroup.threads",        "cgroup.event_control",
                                               "cgroup.kill",        "memory.reclaim",        "memory.numa_stat",
                                               "memory.force_empty", "memory.pressure_level", "memory.kmem.slabinfo"};
  return std::any_of(kFamilies.begin(), kFamilies.end(), [&](const char* one) { return name.starts_with(one); }) &&
         std::none_of(kNot.begin(), kNot.end(), [&](const char* one) { return name == one; });
}

std::vector<BundleItem> BundleItems(const HostFacts& host, const AgentFacts& agent,
                                    const v1::DiagnoseResponse& doctor) {
  Items items;
  items.push_back({"versions.txt", "of Bulkhead and the kernel", FromText{Versions(host, agent)}});
  v1::DiagnoseResponse findings = doctor;
  RedactFields(findings);  // before words are broken into lines
  items.push_back({"doctor.txt", "findings, the most severe first", FromText{FindingsText(findings, false)}});
  items.push_back({"doctor.json", "the same", FromText{ToJson(findings, true)}});
  AddConfiguration(host, items);
  AddAgent(agent, items);
  AddSystemd(host, items);
  AddKernel(host, agent, items);
  return items;
}

}  // namespace bulkhead::cli
