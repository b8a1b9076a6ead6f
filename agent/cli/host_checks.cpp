#include "agent/cli/host_checks.h"

#include <algorithm>
#include <array>
#include <sstream>

#include <fmt/format.h>

#include "agent/base/host.h"
#include "agent/base/version.h"
#include "agent/cli/render.h"
#include "agent/cli/unit_checks.h"

namespace bulkhead::cli {
namespace {

constexpr KernelVersion kOldest{6, 1};
constexpr uint64_t kDiskFloor = 64ULL << 20U;

void Agent(const HostFacts& host, const AgentFacts& agent, Findings& findings) {
  if (agent.reached.ok()) {
    const v1::GetNodeResponse& node = agent.node;
    if (node.agent_version() != kVersion)
      findings.Add(v1::SEVERITY_WARNING, "agent",
                   fmt::format("bulkheadd {} runs, bulkheadctl is {}", node.agent_version(), kVersion),
                   "what the newer one knows is missing", "systemctl restart bulkheadd: tasks and walls do not notice");
    else if (!node.ready())
      findings.Add(v1::SEVERITY_WARNING, "agent", "answers and is not ready yet",
                   "walls that stood before stand; nothing new is enforced until it is ready",
                   "wait; if it stays so: journalctl -u bulkheadd -n 50");
    else
      findings.Add(v1::SEVERITY_OK, "agent", fmt::format("bulkheadd {} answers and is ready", node.agent_version()));
    return;
  }
  if (agent.reached.code() == StatusCode::kPermissionDenied) {
    findings.Add(v1::SEVERITY_UNKNOWN, "agent", Message(agent.reached), "what only the agent sees is missing here",
                 "use sudo, or join the group bulkhead");
  } else {
    findings.Add(
        v1::SEVERITY_ERROR, "agent", Message(agent.reached),
        "walls that stand go on standing and the kernel goes on counting; nothing can be changed, and usage is "
        "not recorded until the agent is back",
        host.systemd ? "journalctl -u bulkheadd -n 50 says why; then systemctl start bulkheadd"
                     : "start bulkheadd; what it says at its end tells why it ended");
  }
  findings.Add(v1::SEVERITY_UNKNOWN, "walls",
               "walls, kernel features, capabilities, foreign programs, tables, spool, controller: only the agent sees "
               "these",
               "", "ask again when it answers");
}

void Kernel(const HostFacts& host, Findings& findings) {
  if (ParseKernelRelease(host.kernel) < kOldest)
    findings.Add(v1::SEVERITY_WARNING, "kernel", host.kernel + " is older than 6.1, the oldest that is tested",
                 "it may refuse the network programs: then the agent does not become ready", "use a newer kernel");
  else
    findings.Add(v1::SEVERITY_OK, "kernel", host.kernel);
  if (!host.btf)
    findings.Add(v1::SEVERITY_NOTE, "kernel types", "there is no /sys/kernel/btf/vmlinux",
                 "programs that read the kernel's own structures cannot be loaded",
                 "use a kernel with CONFIG_DEBUG_INFO_BTF=y, such as Debian's");
  else
    findings.Add(v1::SEVERITY_OK, "kernel types", "/sys/kernel/btf/vmlinux is there");
  if (host.jit == false)
    findings.Add(v1::SEVERITY_WARNING, "kernel", "BPF programs are interpreted",
                 "every packet of a task costs several times more CPU", "sysctl net.core.bpf_jit_enable=1");
}

void Modules(const HostFacts& host, Findings& findings) {
  const std::string check = "security modules";
  if (!host.modules) {
    findings.Add(v1::SEVERITY_UNKNOWN, check, "/sys/kernel/security is not mounted, or not for you", "",
                 "mount -t securityfs securityfs /sys/kernel/security");
    return;
  }
  if (host.lockdown == "confidentiality")
    findings.Add(v1::SEVERITY_WARNING, check, "kernel lockdown is set to confidentiality",
                 "BPF may not read kernel memory: usage is read from cgroup files, which costs more CPU",
                 "boot with lockdown=integrity, if your rules allow it");
  std::istringstream names(*host.modules);
  bool bpf = false;
  for (std::string name; std::getline(names, name, ',');) bpf = bpf || name == "bpf";
  if (bpf)
    findings.Add(v1::SEVERITY_OK, check, *host.modules);
  else
    findings.Add(v1::SEVERITY_NOTE, check, fmt::format("bpf is not among {}", *host.modules),
                 "the kernel cannot refuse packet sockets (AF_PACKET) of tasks that hold CAP_NET_RAW",
                 fmt::format("give no task CAP_NET_RAW; or boot with lsm={},bpf", *host.modules));
}

// The file system that a path lies on; null when its mount cannot be seen.
const Mount* MountOf(const std::vector<Mount>& mounts, const std::string& path) {
  const Mount* best = nullptr;
  for (const Mount& mount : mounts) {
    const bool below = path == mount.point || mount.point == "/" || path.starts_with(mount.point + "/");
    if (below && (best == nullptr || mount.point.size() >= best->point.size())) best = &mount;
  }
  return best;
}

void Mounts(const HostFacts& host, Findings& findings) {
  const std::string check = "mounts";
  if (!host.host_cgroups)
    findings.Add(v1::SEVERITY_WARNING, check, "this shell is in a cgroup namespace of its own",
                 "bulkheadd refuses to start in here, and what is said here of cgroups is not the host's",
                 "look from the host; containers: --cgroupns=host");
  const Mount* unified = nullptr;
  size_t v1 = 0;
  for (const Mount& mount : host.mounts) {
    if (mount.type == "cgroup2" && unified == nullptr) unified = &mount;
    if (mount.type == "cgroup") ++v1;
  }
  if (unified == nullptr)
    findings.Add(v1::SEVERITY_ERROR, check, "no cgroup2 file system is mounted", "bulkheadd refuses to start",
                 "boot with systemd.unified_cgroup_hierarchy=1, or, beside cgroup v1: mount -t cgroup2 none "
                 "/sys/fs/cgroup/unified");
  else if (v1 > 0)
    findings.Add(
        v1::SEVERITY_NOTE, check,
        fmt::format("cgroup2 at {}, and {} hierarchies of cgroup v1 beside it", unified->point, v1),
        "limits go through v1: memory is not reclaimed before a limit is lowered, and a tenant's events do not "
        "include its tasks'",
        "boot with systemd.unified_cgroup_hierarchy=1 when the host's other software allows it");
  else
    findings.Add(v1::SEVERITY_OK, check, "cgroup2 at " + unified->point);
  const std::string& pins = host.config.paths().bpffs();
  if (const Mount* mount = MountOf(host.mounts, pins); mount == nullptr || mount->type != "bpf")
    findings.Add(v1::SEVERITY_ERROR, check, fmt::format("{} does not lie on a bpf file system", pins),
                 "bulkheadd does not start: what is pinned there keeps walls standing without it",
                 "mount -t bpf bpf /sys/fs/bpf, or correct paths.bpffs");
  else
    findings.Add(v1::SEVERITY_OK, check, fmt::format("bpf at {}", mount->point));
}

void Time(const HostFacts& host, Findings& findings) {
  if (!host.clock_synchronised)
    findings.Add(v1::SEVERITY_UNKNOWN, "time", "the kernel does not say whether the clock is synchronised", "", "");
  else if (*host.clock_synchronised)
    findings.Add(v1::SEVERITY_OK, "time", "the clock is synchronised");
  else
    findings.Add(
        v1::SEVERITY_WARNING, "time", "nothing keeps the clock synchronised",
        "usage is measured right and dated wrong; a controller's certificate may seem expired or not yet valid",
        "install and start systemd-timesyncd or chrony; timedatectl shows what is there");
}

void Files(const HostFacts& host, Findings& findings) {
  const std::string check = "files on disk";
  const bool hidden = host.config_status.code() == StatusCode::kPermissionDenied ||
                      host.manifests_status.code() == StatusCode::kPermissionDenied;
  if (hidden)
    findings.Add(v1::SEVERITY_UNKNOWN, check, "configuration or manifests may not be read", "", "use sudo");
  else if (!host.config_status.ok())
    findings.Add(v1::SEVERITY_ERROR, check, FirstLine(Message(host.config_status)),
                 "an agent that runs goes on with what it read; it will not start again",
                 "correct the file: bulkheadd --check-config");
  else if (!host.manifests_status.ok())
    findings.Add(v1::SEVERITY_WARNING, check, FirstLine(Message(host.manifests_status)),
                 "at the next start or reload no manifest of that folder is applied; what is enforced stays",
                 "correct the file: bulkheadctl apply -f FILE --dry-run");
  else
    findings.Add(v1::SEVERITY_OK, check,
                 host.config_file.empty()
                     ? "no configuration: the defaults hold"
                     : fmt::format("{} and {} can be read", host.config_file, host.config.paths().manifests()));
}

// The agent sees this better: from inside its sandbox, and with the spool.
void State(const HostFacts& host, const AgentFacts& agent, Findings& findings) {
  if (agent.reached.ok()) return;
  const std::string& where = host.config.paths().state();
  if (host.state_status.code() == StatusCode::kPermissionDenied)
    findings.Add(v1::SEVERITY_UNKNOWN, "state", Message(host.state_status), "", "use sudo");
  else if (host.state_status.code() == StatusCode::kNotFound)
    findings.Add(v1::SEVERITY_NOTE, "state", where + " is not there yet", "bulkheadd makes it at its first start", "");
  else if (!host.state_status.ok())
    findings.Add(v1::SEVERITY_ERROR, "state", Message(host.state_status), "bulkheadd does not start",
                 fmt::format("make {} writable: is its file system mounted read-only?", where));
  else if (host.disk_available < kDiskFloor)
    findings.Add(v1::SEVERITY_ERROR, "state", fmt::format("{}: {} left", where, Bytes(host.disk_available)),
                 "usage and changes cannot be recorded for long", "free space there, or move paths.state");
  else
    findings.Add(v1::SEVERITY_OK, "state", fmt::format("{}: writable, {} left", where, Bytes(host.disk_available)));
}

std::string MembersOf(const Group& group) {
  std::string text = group.name + " (";
  for (const std::string& member : group.members) text += (text.back() == '(' ? "" : ", ") + member;
  return text + (group.members.empty() ? "nobody)" : ")");
}

void Socket(const HostFacts& host, Findings& findings) {
  const std::string check = "socket";
  if (!host.socket_status.ok()) {
    if (host.socket_status.code() != StatusCode::kNotFound)  // a missing one is the missing agent's
      findings.Add(v1::SEVERITY_ERROR, check, Message(host.socket_status), "nobody can talk to the agent",
                   "correct paths.socket, or remove what is there and restart bulkheadd");
    return;
  }
  bool fine = true;
  if ((host.socket_mode & 0666U) != 0666U || !host.closed_folder.empty()) {
    fine = false;
    findings.Add(v1::SEVERITY_WARNING, check,
                 host.closed_folder.empty() ? fmt::format("mode is {:o}, not 666", host.socket_mode)
                                            : host.closed_folder + " lets only some users pass",
                 "members of the groups cannot connect; the agent judges who connects, so that everybody may try",
                 host.closed_folder.empty() ? "restart bulkheadd" : "chmod o+x " + host.closed_folder);
  }
  for (const Group* group : {&host.readers, &host.admins}) {
    if (group->exists) continue;
    fine = false;
    findings.Add(v1::SEVERITY_WARNING, check, fmt::format("there is no group {}", group->name),
                 group == &host.readers ? "only root and admins may look" : "only root may change anything",
                 fmt::format("groupadd --system {}", group->name));
  }
  if (fine)
    findings.Add(v1::SEVERITY_OK, check,
                 fmt::format("root and {} may change, {} may look", MembersOf(host.admins), MembersOf(host.readers)));
}

}  // namespace

std::vector<v1::Finding> CheckHost(const HostFacts& host, const AgentFacts& agent) {
  Findings findings;
  Agent(host, agent, findings);
  CheckUnits(host, findings);
  Kernel(host, findings);
  Modules(host, findings);
  Mounts(host, findings);
  Time(host, findings);
  Files(host, findings);
  State(host, agent, findings);
  Socket(host, findings);
  return findings.all();
}

v1::DiagnoseResponse AllFindings(const HostFacts& host, const AgentFacts& agent) {
  std::vector<v1::Finding> findings = CheckHost(host, agent);
  findings.insert(findings.end(), agent.findings.findings().begin(), agent.findings.findings().end());
  std::stable_sort(findings.begin(), findings.end(),
                   [](const auto& left, const auto& right) { return left.severity() > right.severity(); });
  v1::DiagnoseResponse all;
  for (v1::Finding& finding : findings) *all.add_findings() = std::move(finding);
  return all;
}

}  // namespace bulkhead::cli
