#include "agent/plan/diagnose.h"

#include <linux/capability.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "agent/base/host.h"

namespace bulkhead {
namespace {

constexpr uint64_t kMiB = 1ULL << 20U;
constexpr uint64_t kDiskFloor = 16 * kMiB;  // a transaction of a large set, and SQLite's log
constexpr double kNearlyFull = 0.8;

using Findings = std::vector<Finding>;

std::string MiB(uint64_t bytes) { return fmt::format("{} MiB", bytes / kMiB); }

void Walls(const DiagnosisFacts& facts, Findings& findings) {
  if (facts.wall_reasons.empty()) {
    findings.push_back({Severity::kOk, "walls", "stand"});
    return;
  }
  for (const std::string& reason : facts.wall_reasons)
    findings.push_back({facts.walls_failed ? Severity::kError : Severity::kWarning, "walls", reason,
                        facts.walls_failed ? "not everything that was asked for is enforced: tenants may reach or "
                                             "starve each other"
                                           : "what is named here is not enforced as asked for; the rest is",
                        "bulkheadd tries again by itself; bulkheadctl events says since when"});
}

void Files(const DiagnosisFacts& facts, Findings& findings) {
  if (facts.load_error.empty()) {
    findings.push_back({Severity::kOk, "files", "configuration and manifests are in force as written"});
    return;
  }
  findings.push_back({Severity::kWarning, "files", facts.load_error.substr(0, facts.load_error.find('\n')),
                      "what was in force before still is; a mistake in the configuration keeps bulkheadd from starting "
                      "again",
                      "correct the file, then bulkheadctl reload; a field that needs it: systemctl restart bulkheadd"});
}

struct Want {
  const char* feature;
  const char* meaning;
  const char* action;
};
constexpr std::array kWants = {
    Want{"btf", "programs that read the kernel's own structures cannot be loaded",
         "use a kernel with CONFIG_DEBUG_INFO_BTF=y, such as Debian's"},
    Want{"cgroup.kill", "the processes of a task are killed one by one: a fork bomb takes longer to end",
         "use kernel 5.14 or later"},
    Want{"cgroup.freeze", "tasks cannot be frozen", "use kernel 5.2 or later"},
    Want{"psi", "how long a task waits for CPU, memory and disk is not known",
         "boot with psi=1, on a kernel with CONFIG_PSI=y"},
    Want{"memory.reclaim", "memory cannot be reclaimed from a task before its limit is lowered",
         "use kernel 5.19 or later with the memory controller in cgroup v2: boot with "
         "systemd.unified_cgroup_hierarchy=1"},
    Want{"sock_ops", "no program can follow the life of TCP connections", "use a kernel with CONFIG_CGROUP_BPF=y"},
    Want{"cgroup_iterator", "usage is read from cgroup files, task by task, which costs more CPU", ""},
    Want{"tcx", "programs on network interfaces cannot be held by links", "use kernel 6.6 or later"},
    Want{"lsm_cgroup",
         "the kernel cannot refuse packet sockets (AF_PACKET): a task that holds CAP_NET_RAW can send past its network "
         "walls",
         "give no task CAP_NET_RAW; or boot with bpf at the end of lsm=, on a kernel with CONFIG_BPF_LSM=y"},
};

void Features(const DiagnosisFacts& facts, Findings& findings) {
  const auto works = std::count_if(facts.features.begin(), facts.features.end(), [](const auto& f) { return f.works; });
  findings.push_back({Severity::kOk, "kernel features",
                      fmt::format("{} of {} work on {}", works, facts.features.size(), facts.kernel)});
  for (const Feature& feature : facts.features) {
    if (feature.works) continue;
    const auto want =
        std::find_if(kWants.begin(), kWants.end(), [&](const Want& one) { return feature.name == one.feature; });
    findings.push_back({Severity::kNote, "kernel features", fmt::format("no {}: {}", feature.name, feature.detail),
                        want == kWants.end() ? "" : want->meaning, want == kWants.end() ? "" : want->action});
  }
}

void LimitsOfHost(const DiagnosisFacts& facts, Findings& findings) {
  if (facts.unsupported.empty()) findings.push_back({Severity::kOk, "limits", "this host can enforce every one"});
  for (const std::string& limit : facts.unsupported) {
    const bool basic =
        limit.starts_with("cpu.max:") || limit.starts_with("memory.max:") || limit.starts_with("pids.max:");
    findings.push_back(
        {basic ? Severity::kError : Severity::kNote, "limits", limit,
         "objects that ask for this limit are degraded, and refused where they require it",
         basic ? "enable the controller: look for cgroup_disable= in /proc/cmdline, and for the controller "
                 "in cgroup.controllers at every level above the top cgroup"
               : ""});
  }
}

void Capabilities(const DiagnosisFacts& facts, Findings& findings) {
  const auto held = [&](int capability) { return (facts.capabilities >> capability & 1U) != 0; };
  const bool admin = held(CAP_SYS_ADMIN);
  std::string missing;
  const auto need = [&](bool there, const char* name) {
    if (!there) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  need(held(CAP_BPF) || admin, "CAP_BPF");
  need(held(CAP_PERFMON) || admin, "CAP_PERFMON");
  need(held(CAP_NET_ADMIN), "CAP_NET_ADMIN");
  if (!missing.empty()) {
    findings.push_back({Severity::kError, "capabilities", "bulkheadd lacks " + missing,
                        "network walls that stand go on standing; they cannot be put up again when their cgroup is "
                        "made anew",
                        "run bulkheadd from its unit, or grant these capabilities"});
  } else if (!held(CAP_SYS_NICE) && ParseKernelRelease(facts.kernel) < KernelVersion{6, 12}) {
    findings.push_back({Severity::kWarning, "capabilities", "bulkheadd lacks CAP_SYS_NICE",
                        "on this kernel root's processes, such as a container's first, cannot be moved into a task "
                        "where the cpuset controller is on",
                        "run bulkheadd from its unit, or grant CAP_SYS_NICE"});
  } else {
    findings.push_back({Severity::kOk, "capabilities", "bulkheadd has what it needs"});
  }
}

// One finding for each cgroup and kind of trouble, with the hooks together.
struct Trouble {
  Severity severity;
  const char* what;
  const char* meaning;
  const char* action;
};
Trouble TroubleOf(const CgroupProgram& program) {
  if (program.on_top && program.hook == "device")
    return {Severity::kWarning, "restricts devices of every task",
            "tasks get EPERM from devices that their manifests allow",
            "a setting of bulkhead-tenants.service does this (DeviceAllow=, DevicePolicy=, PrivateDevices=): systemctl "
            "cat bulkhead-tenants.service, remove it, then systemctl daemon-reload and reboot"};
  if (program.on_top)
    return {Severity::kWarning, "judges the packets or calls of every task, beside Bulkhead",
            "what policies allow may still be refused; bulkheadd cannot say why",
            "a setting of bulkhead-tenants.service (IPAddressDeny=, IPAccounting=, SocketBind…=), or another tool: "
            "systemctl cat bulkhead-tenants.service; bpftool cgroup show CGROUP"};
  if (program.exclusive && program.contested)
    return {Severity::kError, "forbids programs of others below it",
            "walls that stand go on standing, but none can be put up again: bulkheadd will not become ready after its "
            "next start",
            "detach that program (bpftool cgroup detach CGROUP HOOK id ID), or have its owner attach it with "
            "BPF_F_ALLOW_MULTI"};
  return {Severity::kNote, "acts on tasks, too, since it is above them", "it can refuse what policies allow", ""};
}

void Programs(const DiagnosisFacts& facts, Findings& findings) {
  const std::string check = "foreign programs";
  if (!facts.programs_unknown.empty())
    findings.push_back({Severity::kUnknown, check, facts.programs_unknown,
                        "programs of others that refuse or forbid what Bulkhead does would go unnoticed", ""});
  std::map<std::pair<std::string, std::string>, std::pair<Trouble, std::string>> groups;
  for (const CgroupProgram& program : facts.programs) {
    const Trouble trouble = TroubleOf(program);
    auto& [what, list] = groups.try_emplace({program.cgroup, trouble.what}, trouble, "").first->second;
    list += fmt::format("{}{} {}{}", list.empty() ? "" : ", ", program.hook, program.id,
                        program.name.empty() ? "" : " (" + program.name + ")");
  }
  for (const auto& [key, group] : groups)
    findings.push_back({group.first.severity, check, fmt::format("{} {}: {}", key.first, key.second, group.second),
                        group.first.meaning, group.first.action});
  if (groups.empty() && facts.programs_unknown.empty())
    findings.push_back({Severity::kOk, check, "none on Bulkhead's top cgroup or above it"});
}

void Tables(const DiagnosisFacts& facts, Findings& findings) {
  bool fine = true;
  for (const auto& table : facts.tables) {
    if (static_cast<double>(table.used) < kNearlyFull * static_cast<double>(table.capacity)) continue;
    fine = false;
    findings.push_back({Severity::kWarning, "tables",
                        fmt::format("{} is nearly full: {} of {}", table.name, table.used, table.capacity),
                        "a set that needs more is refused as a whole; what is enforced stays",
                        "use fewer or wider prefixes and ports in policies, or fewer tasks on this host"});
  }
  if (fine) findings.push_back({Severity::kOk, "tables", "have room"});
}

void State(const DiagnosisFacts& facts, Findings& findings) {
  const std::string& where = facts.state_directory;
  const uint64_t room = facts.spool_max - std::min(facts.spool_max, facts.spool_bytes);
  if (!facts.state_problem.empty()) {
    findings.push_back({Severity::kError, "state", facts.state_problem,
                        "nothing can be changed and usage is not recorded; walls stand, and counters go on in the "
                        "kernel",
                        fmt::format("make {} writable for bulkheadd: is its file system mounted read-only, or missing "
                                    "in ReadWritePaths= of bulkheadd.service?",
                                    where)});
  } else if (facts.disk_available < kDiskFloor) {
    findings.push_back({Severity::kError, "state", fmt::format("{}: {} left", where, MiB(facts.disk_available)),
                        "usage and changes are about to be refused; usage of ended tasks would be lost",
                        "free space there, or move paths.state to a larger disk"});
  } else if (facts.disk_available < room) {
    findings.push_back(
        {Severity::kWarning, "state",
         fmt::format("{}: {} left, the spool may want {} more", where, MiB(facts.disk_available), MiB(room)),
         "while the controller is away the disk fills before usage.spool_max is reached",
         "free space there, or lower usage.spool_max"});
  } else {
    findings.push_back(
        {Severity::kOk, "state", fmt::format("{}: writable, {} left", where, MiB(facts.disk_available))});
  }
}

void Spool(const DiagnosisFacts& facts, Findings& findings) {
  const std::string found = fmt::format("{} of {} used, {} records wait", MiB(facts.spool_bytes), MiB(facts.spool_max),
                                        facts.controller.waiting);
  if (facts.thinned_records > 0) {
    findings.push_back({Severity::kWarning, "spool",
                        fmt::format("{}; {} were thinned for want of room", found, facts.thinned_records),
                        "totals stay right; when within a task's life it was used is known less exactly",
                        "bring the controller back, or raise usage.spool_max"});
  } else if (static_cast<double>(facts.spool_bytes) > kNearlyFull * static_cast<double>(facts.spool_max)) {
    findings.push_back({Severity::kWarning, "spool", found, "soon the oldest records are thinned",
                        "bring the controller back, or raise usage.spool_max"});
  } else {
    findings.push_back({Severity::kOk, "spool", found});
  }
}

void ControllerLink(const DiagnosisFacts& facts, Findings& findings) {
  const auto& controller = facts.controller;
  if (controller.address.empty()) {
    findings.push_back({Severity::kOk, "controller", "none configured: usage stays here"});
  } else if (controller.connected) {
    findings.push_back({Severity::kOk, "controller", controller.address + ", connected"});
  } else {
    findings.push_back({Severity::kWarning, "controller",
                        fmt::format("{}, not connected: {}", controller.address,
                                    controller.error.empty() ? "no answer yet" : controller.error),
                        "walls do not depend on it; usage waits here and is reported later, nothing is lost",
                        "is it running and reachable, and are controller.address and the certificates right?"});
  }
}

}  // namespace

std::vector<Finding> Diagnose(const DiagnosisFacts& facts) {
  Findings findings;
  Walls(facts, findings);
  Files(facts, findings);
  Features(facts, findings);
  LimitsOfHost(facts, findings);
  Capabilities(facts, findings);
  Programs(facts, findings);
  Tables(facts, findings);
  State(facts, findings);
  Spool(facts, findings);
  ControllerLink(facts, findings);
  return findings;
}

}  // namespace bulkhead
