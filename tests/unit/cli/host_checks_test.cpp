// What bulkheadctl doctor says of hosts, good and bad.
#include "agent/cli/host_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "agent/base/version.h"
#include "agent/cli/diagnose.h"
#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Property;
using ::testing::UnorderedElementsAre;

// A Debian host with the package installed and everything in order.
HostFacts GoodHost() {
  HostFacts host;
  host.kernel = "6.12.9-amd64";
  host.mounts = {{"/", "ext4", "rw"}, {"/sys/fs/cgroup", "cgroup2", "rw,nsdelegate"}, {"/sys/fs/bpf", "bpf", "rw"}};
  host.btf = true;
  host.modules = "lockdown,capability,landlock,yama,apparmor,bpf";
  host.lockdown = "none";
  host.jit = true;
  host.clock_synchronised = true;
  host.config_file = "/etc/bulkhead/bulkheadd.yaml";
  host.config = DefaultConfig();
  host.disk_available = 10ULL << 30U;
  host.socket_mode = 0666;
  host.readers = {"bulkhead", true, {"ann"}};
  host.admins = {"bulkhead-admin", true, {}};
  host.systemd = true;
  host.units = {
      {"bulkheadd.service",
       {{"LoadState", "loaded"}, {"ActiveState", "active"}, {"UnitFileState", "enabled"}, {"NRestarts", "0"}}},
      {"bulkhead-tenants.service",
       {{"LoadState", "loaded"},
        {"ActiveState", "active"},
        {"Type", "forking"},
        {"KillMode", "process"},
        {"DevicePolicy", "auto"},
        {"PrivateDevices", "no"},
        {"MemoryMax", "infinity"},
        {"TasksMax", "infinity"}}}};
  return host;
}

AgentFacts GoodAgent() {
  AgentFacts agent;
  agent.node.set_agent_version(kVersion);
  agent.node.set_ready(true);
  return agent;
}

auto Is(v1::Severity severity, const std::string& check, const std::string& found) {
  return AllOf(Property(&v1::Finding::severity, severity), Property(&v1::Finding::check, check),
               Property(&v1::Finding::found, HasSubstr(found)));
}

std::vector<v1::Finding> Troubles(const HostFacts& host, const AgentFacts& agent = GoodAgent()) {
  std::vector<v1::Finding> findings = CheckHost(host, agent);
  std::erase_if(findings, [](const v1::Finding& one) { return one.severity() == v1::SEVERITY_OK; });
  return findings;
}

// The one trouble that an otherwise good host has after an edit.
std::vector<v1::Finding> After(const std::function<void(HostFacts&)>& edit) {
  HostFacts host = GoodHost();
  edit(host);
  const auto troubles = Troubles(host);
  for (const v1::Finding& finding : troubles) {
    const bool explained = !finding.meaning().empty() && !finding.action().empty();
    EXPECT_TRUE(explained || finding.severity() < v1::SEVERITY_WARNING) << finding.found();
  }
  return troubles;
}

auto Unit(const std::string& unit, const std::string& property, const std::string& value) {
  return [=](HostFacts& host) { host.units[unit][property] = value; };
}

TEST(CheckHost, AGoodHostIsOkInEveryCheck) {
  EXPECT_THAT(Troubles(GoodHost()), IsEmpty());
  std::set<std::string> checks;
  for (const v1::Finding& finding : CheckHost(GoodHost(), GoodAgent())) checks.insert(finding.check());
  EXPECT_THAT(checks, ElementsAre("agent", "files on disk", "kernel", "kernel types", "mounts", "security modules",
                                  "socket", "time", "units"));
  EXPECT_THAT(CheckHost(GoodHost(), GoodAgent()),
              Contains(Is(v1::SEVERITY_OK, "socket", "root and bulkhead-admin (nobody) may change, bulkhead (ann)")));
}

TEST(CheckHost, WithoutAnAgentSaysWhatItCannotSeeAndLooksAtTheDiskItself) {
  AgentFacts away{.reached = Unavailable("no connection to the agent at /x")};
  EXPECT_THAT(Troubles(GoodHost(), away), ElementsAre(Is(v1::SEVERITY_ERROR, "agent", "no connection"),
                                                      Is(v1::SEVERITY_UNKNOWN, "walls", "only the agent sees")));
  EXPECT_THAT(CheckHost(GoodHost(), away), Contains(Is(v1::SEVERITY_OK, "state", "10 GiB left")));
  HostFacts host = GoodHost();
  host.disk_available = 1U << 20U;
  EXPECT_THAT(Troubles(host, away), Contains(Is(v1::SEVERITY_ERROR, "state", "1 MiB left")));
  host.state_status = Errno(EROFS, "write /var/lib/bulkhead");
  EXPECT_THAT(Troubles(host, away), Contains(Is(v1::SEVERITY_ERROR, "state", "Read-only")));
  host.state_status = Errno(ENOENT, "open /var/lib/bulkhead");
  EXPECT_THAT(Troubles(host, away), Contains(Is(v1::SEVERITY_NOTE, "state", "not there yet")));
  host.state_status = Errno(EACCES, "open /var/lib/bulkhead");
  EXPECT_THAT(Troubles(host, away), Contains(Is(v1::SEVERITY_UNKNOWN, "state", "Permission denied")));
}

TEST(CheckHost, WhoMayNotAskIsNoErrorOfTheHost) {
  EXPECT_THAT(Troubles(GoodHost(), {.reached = PermissionDenied("you may not")}),
              ElementsAre(Is(v1::SEVERITY_UNKNOWN, "agent", "you may not"), Is(v1::SEVERITY_UNKNOWN, "walls", "")));
}

TEST(CheckHost, AnAgentThatIsNotReadyOrOlderIsAWarning) {
  AgentFacts agent = GoodAgent();
  agent.node.set_ready(false);
  EXPECT_THAT(Troubles(GoodHost(), agent), ElementsAre(Is(v1::SEVERITY_WARNING, "agent", "not ready")));
  agent.node.set_agent_version("0.0.1");
  EXPECT_THAT(Troubles(GoodHost(), agent), ElementsAre(Is(v1::SEVERITY_WARNING, "agent", "0.0.1 runs")));
}

TEST(CheckHost, Kernels) {
  EXPECT_THAT(After([](auto& host) { host.kernel = "5.15.0"; }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "kernel", "older")));
  EXPECT_THAT(After([](auto& host) { host.btf = false; }), ElementsAre(Is(v1::SEVERITY_NOTE, "kernel types", "btf")));
  EXPECT_THAT(After([](auto& host) { host.jit = false; }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "kernel", "interpreted")));
}

TEST(CheckHost, SecurityModules) {
  EXPECT_THAT(After([](auto& host) { host.modules = "lockdown,apparmor"; }),
              ElementsAre(AllOf(Is(v1::SEVERITY_NOTE, "security modules", "bpf is not among"),
                                Property(&v1::Finding::action, HasSubstr("lsm=lockdown,apparmor,bpf")))));
  EXPECT_THAT(After([](auto& host) { host.modules.reset(); }),
              ElementsAre(Is(v1::SEVERITY_UNKNOWN, "security modules", "")));
  EXPECT_THAT(After([](auto& host) { host.lockdown = "confidentiality"; }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "security modules", "confidentiality")));
}

TEST(CheckHost, MountsThatAreMissingAreErrorsWithTheCommand) {
  EXPECT_THAT(After([](auto& host) { std::erase_if(host.mounts, [](auto& one) { return one.type == "cgroup2"; }); }),
              ElementsAre(AllOf(Is(v1::SEVERITY_ERROR, "mounts", "no cgroup2"),
                                Property(&v1::Finding::action, HasSubstr("mount -t cgroup2")))));
  EXPECT_THAT(After([](auto& host) { host.mounts.pop_back(); }),
              ElementsAre(Is(v1::SEVERITY_ERROR, "mounts", "/sys/fs/bpf/bulkhead does not lie on a bpf")));
  EXPECT_THAT(After([](auto& host) {
                host.mounts.push_back({"/sys/fs/bpf", "tmpfs", ""});
              }),
              ElementsAre(Is(v1::SEVERITY_ERROR, "mounts", "does not lie on a bpf")))
      << "hidden by a later mount";
  EXPECT_THAT(After([](auto& host) {
                host.mounts.push_back({"/sys/fs/cgroup/cpu", "cgroup", "cpu"});
              }),
              ElementsAre(Is(v1::SEVERITY_NOTE, "mounts", "1 hierarchies of cgroup v1")));
  EXPECT_THAT(After([](auto& host) { host.host_cgroups = false; }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "mounts", "cgroup namespace")));
}

TEST(CheckHost, Time) {
  EXPECT_THAT(After([](auto& host) { host.clock_synchronised = false; }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "time", "")));
  EXPECT_THAT(After([](auto& host) { host.clock_synchronised.reset(); }),
              ElementsAre(Is(v1::SEVERITY_UNKNOWN, "time", "")));
}

TEST(CheckHost, FilesThatTheNextStartWouldRefuse) {
  EXPECT_THAT(After([](auto& host) { host.config_status = InvalidArgument("b.yaml:2: nod: unknown field\nmore"); }),
              ElementsAre(AllOf(Property(&v1::Finding::severity, v1::SEVERITY_ERROR),
                                Property(&v1::Finding::found, "b.yaml:2: nod: unknown field"))));
  EXPECT_THAT(After([](auto& host) { host.manifests_status = InvalidArgument("t.yaml:2: x"); }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "files on disk", "t.yaml:2")));
  EXPECT_THAT(After([](auto& host) { host.manifests_status = PermissionDenied("t.yaml"); }),
              ElementsAre(Is(v1::SEVERITY_UNKNOWN, "files on disk", "")));
}

TEST(CheckHost, SocketRights) {
  EXPECT_THAT(After([](auto& host) { host.socket_mode = 0600; }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "socket", "600")));
  EXPECT_THAT(After([](auto& host) { host.closed_folder = "/run/bulkhead"; }),
              ElementsAre(AllOf(Is(v1::SEVERITY_WARNING, "socket", "/run/bulkhead lets only"),
                                Property(&v1::Finding::action, "chmod o+x /run/bulkhead"))));
  EXPECT_THAT(After([](auto& host) { host.readers.exists = host.admins.exists = false; }),
              UnorderedElementsAre(Is(v1::SEVERITY_WARNING, "socket", "no group bulkhead"),
                                   Is(v1::SEVERITY_WARNING, "socket", "no group bulkhead-admin")));
  EXPECT_THAT(After([](auto& host) { host.socket_status = FailedPrecondition("/x is no socket"); }),
              ElementsAre(Is(v1::SEVERITY_ERROR, "socket", "no socket")));
}

TEST(CheckUnits, TheAgents) {
  EXPECT_THAT(After([](auto& host) { host.systemd = false; }), ElementsAre(Is(v1::SEVERITY_NOTE, "units", "systemd")));
  EXPECT_THAT(After([](auto& host) { host.units_status = Unavailable("systemctl"); }),
              ElementsAre(Is(v1::SEVERITY_UNKNOWN, "units", "systemctl")));
  EXPECT_THAT(After([](auto& host) { host.units.erase("bulkheadd.service"); }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "units", "no bulkheadd.service")));
  const std::string agent = "bulkheadd.service";
  EXPECT_THAT(After(Unit(agent, "ActiveState", "failed")), ElementsAre(Is(v1::SEVERITY_ERROR, "units", "is failed")));
  EXPECT_THAT(After(Unit(agent, "UnitFileState", "disabled")),
              ElementsAre(Is(v1::SEVERITY_WARNING, "units", "disabled")));
  EXPECT_THAT(After(Unit(agent, "NRestarts", "7")), ElementsAre(Is(v1::SEVERITY_WARNING, "units", "7 times")));
  EXPECT_THAT(After(Unit(agent, "NeedDaemonReload", "yes")), ElementsAre(Is(v1::SEVERITY_WARNING, "units", "on disk")));
}

TEST(CheckUnits, WhatWouldKillOrSqueezeEveryTask) {
  const std::string tenants = "bulkhead-tenants.service";
  EXPECT_THAT(After(Unit(tenants, "KillMode", "control-group")),
              ElementsAre(AllOf(Is(v1::SEVERITY_ERROR, "units", "KillMode"),
                                Property(&v1::Finding::meaning, HasSubstr("kills every task")))));
  EXPECT_THAT(After(Unit(tenants, "Type", "simple")), ElementsAre(Is(v1::SEVERITY_ERROR, "units", "Type=simple")));
  EXPECT_THAT(After(Unit(tenants, "DevicePolicy", "closed")),
              ElementsAre(Is(v1::SEVERITY_WARNING, "units", "DevicePolicy")));
  EXPECT_THAT(After(Unit(tenants, "TasksMax", "4915")),
              ElementsAre(Is(v1::SEVERITY_WARNING, "units", "TasksMax=4915")));
  EXPECT_THAT(After(Unit(tenants, "ActiveState", "failed")), ElementsAre(Is(v1::SEVERITY_ERROR, "units", "is failed")));
  EXPECT_THAT(After([&](auto& host) { host.units.erase(tenants); }),
              ElementsAre(Is(v1::SEVERITY_WARNING, "units", "no bulkhead-tenants")));
}

TEST(CheckUnits, RuntimesThatDoNotWaitAreNotes) {
  const auto docker = [](HostFacts& host) {
    host.units["docker.service"] = {{"LoadState", "loaded"}, {"UnitFileState", "enabled"}};
  };
  EXPECT_THAT(After(docker), ElementsAre(Is(v1::SEVERITY_NOTE, "units", "docker.service does not wait")));
  EXPECT_THAT(After([&](auto& host) {
                docker(host);
                host.units["docker.service"]["DropInPaths"] = "/etc/systemd/system/docker.service.d/bulkhead.conf";
              }),
              IsEmpty());
  EXPECT_THAT(After([](auto& host) { host.units["systemd-oomd.service"]["ActiveState"] = "active"; }),
              ElementsAre(Is(v1::SEVERITY_NOTE, "units", "oomd")));
}

TEST(AllFindings, TheMostSevereFirstAndWithinHundredColumns) {
  HostFacts host = GoodHost();
  host.clock_synchronised = false;
  host.modules.reset();
  AgentFacts agent = GoodAgent();
  v1::Finding& worst = *agent.findings.add_findings();
  worst.set_severity(v1::SEVERITY_ERROR);
  worst.set_check("walls");
  worst.set_found(std::string(60, 'x') + " " + std::string(60, 'y'));
  worst.set_meaning("all is lost");
  const v1::DiagnoseResponse all = AllFindings(host, agent);
  for (int i = 1; i < all.findings_size(); ++i) EXPECT_GE(all.findings(i - 1).severity(), all.findings(i).severity());
  const std::string text = FindingsText(all, false);
  EXPECT_THAT(text, testing::StartsWith("ERROR    walls             xxx"));
  EXPECT_THAT(text, HasSubstr("\n                           Means: all is lost\n"));
  EXPECT_THAT(text, HasSubstr("1 error, 1 warning, 1 unknown, 0 notes, "));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
}

}  // namespace
}  // namespace bulkhead::cli
