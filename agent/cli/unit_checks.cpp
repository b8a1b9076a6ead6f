#include "agent/cli/unit_checks.h"

#include <array>

#include <fmt/format.h>

namespace bulkhead::cli {
namespace {

constexpr const char* kCheck = "units";
constexpr const char* kAgent = "bulkheadd.service";
constexpr const char* kTenants = "bulkhead-tenants.service";

// A property of a unit; empty when either is not there.
std::string Get(const HostFacts& host, const std::string& unit, const std::string& property) {
  const auto found = host.units.find(unit);
  if (found == host.units.end()) return "";
  const auto value = found->second.find(property);
  return value == found->second.end() ? "" : value->second;
}

bool Installed(const HostFacts& host, const std::string& unit) { return Get(host, unit, "LoadState") == "loaded"; }

void AgentUnit(const HostFacts& host, Findings& findings) {
  const std::string state = Get(host, kAgent, "ActiveState");
  if (state != "active" && state != "reloading")
    findings.Add(v1::SEVERITY_ERROR, kCheck, fmt::format("{} is {} ({})", kAgent, state, Get(host, kAgent, "Result")),
                 "walls that stand go on standing; nothing can be changed, and usage is not recorded",
                 "journalctl -u bulkheadd -n 50, then systemctl start bulkheadd");
  else
    findings.Add(v1::SEVERITY_OK, kCheck, fmt::format("{} is {}", kAgent, state));
  if (const std::string enabled = Get(host, kAgent, "UnitFileState"); enabled == "disabled" || enabled == "masked")
    findings.Add(v1::SEVERITY_WARNING, kCheck, fmt::format("{} is {}", kAgent, enabled),
                 "after the next boot no wall stands", "systemctl enable bulkheadd");
  if (const std::string restarts = Get(host, kAgent, "NRestarts"); !restarts.empty() && restarts != "0")
    findings.Add(v1::SEVERITY_WARNING, kCheck, fmt::format("{} was started anew {} times", kAgent, restarts),
                 "it crashed, could not start, or hung; no task noticed, but changes may have been refused meanwhile",
                 "journalctl -u bulkheadd -p warning says why");
  if (Get(host, kAgent, "NeedDaemonReload") == "yes" || Get(host, kTenants, "NeedDaemonReload") == "yes")
    findings.Add(v1::SEVERITY_WARNING, kCheck, "unit files changed on disk and systemd does not know yet",
                 "settings in force are not those in the files", "systemctl daemon-reload");
}

// Settings that act on the unit's cgroup, and so on every task.
void CgroupSettings(const HostFacts& host, Findings& findings) {
  struct Setting {
    const char* name;
    const char* harmless;
    const char* effect;
  };
  constexpr std::array kSettings = {
      Setting{"DevicePolicy", "auto", "tasks cannot open devices that they may"},
      Setting{"PrivateDevices", "no", "tasks cannot open devices that they may"},
      Setting{"MemoryMax", "infinity", "all tasks together are held to it; set it on bulkhead.slice"},
      Setting{"TasksMax", "infinity", "all tasks together are held to it; set it on bulkhead.slice"},
  };
  for (const Setting& setting : kSettings) {
    const std::string value = Get(host, kTenants, setting.name);
    if (value.empty() || value == setting.harmless) continue;
    findings.Add(v1::SEVERITY_WARNING, kCheck, fmt::format("{} has {}={}", kTenants, setting.name, value),
                 setting.effect,
                 fmt::format("systemctl cat {} shows where it is set: remove it, then systemctl "
                             "daemon-reload",
                             kTenants));
  }
}

void TenantsUnit(const HostFacts& host, Findings& findings) {
  if (!Installed(host, kTenants)) {
    findings.Add(v1::SEVERITY_WARNING, kCheck, fmt::format("there is no {}", kTenants),
                 "tasks live in a cgroup that systemd does not know: it may take controllers away from it",
                 "install the package's units");
    return;
  }
  const std::string state = Get(host, kTenants, "ActiveState");
  if (state == "active")
    findings.Add(v1::SEVERITY_OK, kCheck, fmt::format("{} is active", kTenants));
  else
    findings.Add(v1::SEVERITY_ERROR, kCheck,
                 fmt::format("{} is {} ({})", kTenants, state, Get(host, kTenants, "Result")),
                 "tasks and walls that are there stay, but systemd no longer keeps their cgroup for them",
                 "systemctl start bulkhead-tenants; before systemd 254 that works once no task runs any more");
  if (const std::string mode = Get(host, kTenants, "KillMode"); !mode.empty() && mode != "process")
    findings.Add(v1::SEVERITY_ERROR, kCheck, fmt::format("{} has KillMode={}", kTenants, mode),
                 "when its holder ends, systemd kills every task",
                 "remove the drop-in that sets it (systemctl cat bulkhead-tenants), then systemctl daemon-reload");
  if (const std::string type = Get(host, kTenants, "Type"); !type.empty() && type != "forking")
    findings.Add(v1::SEVERITY_ERROR, kCheck, fmt::format("{} has Type={}", kTenants, type),
                 "when its holder ends, systemd cannot start it again while tasks run",
                 "remove the drop-in that sets it (systemctl cat bulkhead-tenants), then systemctl daemon-reload");
  CgroupSettings(host, findings);
}

void Neighbours(const HostFacts& host, Findings& findings) {
  for (const char* runtime :
       {"docker.service", "containerd.service", "crio.service", "kubelet.service", "nomad.service"}) {
    const bool starts =
        Get(host, runtime, "UnitFileState") == "enabled" || Get(host, runtime, "ActiveState") == "active";
    if (!Installed(host, runtime) || !starts) continue;
    if (Get(host, runtime, "DropInPaths").find("bulkhead.conf") != std::string::npos) continue;
    findings.Add(v1::SEVERITY_NOTE, kCheck, fmt::format("{} does not wait for the walls", runtime),
                 "it starts after the agent, and starts all the same when the agent cannot",
                 fmt::format("install -D -m 644 /usr/share/bulkhead/gate.conf "
                             "/etc/systemd/system/{}.d/bulkhead.conf && systemctl daemon-reload",
                             runtime));
  }
  if (Get(host, "systemd-oomd.service", "ActiveState") == "active")
    findings.Add(v1::SEVERITY_NOTE, kCheck, "systemd-oomd runs",
                 "where it watches a slice above, it may kill a task that is within its limits; what the tenants' unit "
                 "asks for does not count for the cgroups below it",
                 "oomctl shows what it watches");
}

}  // namespace

void CheckUnits(const HostFacts& host, Findings& findings) {
  if (!host.systemd) {
    findings.Add(v1::SEVERITY_NOTE, kCheck, "systemd does not run here",
                 "nobody starts bulkheadd at boot or after a crash, or starts it before container runtimes, unless you "
                 "see to it",
                 "");
    return;
  }
  if (!host.units_status.ok()) {
    findings.Add(v1::SEVERITY_UNKNOWN, kCheck, Message(host.units_status), "", "");
    return;
  }
  if (!Installed(host, kAgent)) {
    findings.Add(v1::SEVERITY_WARNING, kCheck, fmt::format("there is no {}", kAgent),
                 "systemd starts bulkheadd neither at boot nor after a crash", "install the package's units");
  } else {
    AgentUnit(host, findings);
  }
  TenantsUnit(host, findings);
  Neighbours(host, findings);
}

}  // namespace bulkhead::cli
