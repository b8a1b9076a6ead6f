#include "agent/cli/host_facts.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/base/host.h"
#include "agent/cli/command.h"
#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

constexpr const char* kDefaultConfig = "/etc/bulkhead/bulkheadd.yaml";
constexpr ino_t kHostCgroupNamespace = 0xEFFFFFFB;  // PROC_CGROUP_INIT_INO, include/linux/proc_ns.h
constexpr std::chrono::seconds kSystemctlTimeout{10};
constexpr size_t kSystemctlLimit = 1 << 20;
constexpr const char* kProperties =
    "--property=Id,LoadState,ActiveState,Result,UnitFileState,NRestarts,NeedDaemonReload,Type,KillMode,DevicePolicy,"
    "PrivateDevices,MemoryMax,TasksMax,DropInPaths";

std::optional<std::string> TextOf(const std::string& file) {
  const auto text = ReadFile(file);
  return text.ok() ? std::optional(Trim(*text)) : std::nullopt;
}

// "none [integrity] confidentiality" → "integrity"
std::optional<std::string> Chosen(const std::optional<std::string>& text) {
  if (!text || text->find('[') == std::string::npos) return std::nullopt;
  const size_t begin = text->find('[') + 1;
  return text->substr(begin, text->find(']') - begin);
}

void ReadKernel(HostFacts& facts) {
  facts.kernel = KernelRelease();
  struct stat ns {};
  facts.host_cgroups = ::stat("/proc/self/ns/cgroup", &ns) != 0 || ns.st_ino == kHostCgroupNamespace;
  facts.mounts = ParseMounts(TextOf("/proc/self/mountinfo").value_or(""));
  facts.btf = ::access("/sys/kernel/btf/vmlinux", R_OK) == 0;
  facts.modules = TextOf("/sys/kernel/security/lsm");
  facts.lockdown = Chosen(TextOf("/sys/kernel/security/lockdown"));
  if (const auto jit = TextOf("/proc/sys/net/core/bpf_jit_enable")) facts.jit = *jit != "0";
  timex time{};
  if (::adjtimex(&time) >= 0) facts.clock_synchronised = (time.status & STA_UNSYNC) == 0;
}

void ReadFiles(const std::string& config_file, HostFacts& facts) {
  std::error_code ignored;
  facts.config_file = config_file;
  if (config_file.empty() && std::filesystem::exists(kDefaultConfig, ignored)) facts.config_file = kDefaultConfig;
  facts.config = DefaultConfig();
  if (!facts.config_file.empty()) {
    if (const auto loaded = LoadConfig(facts.config_file); loaded.ok())
      facts.config = *loaded;
    else
      facts.config_status = loaded.status();
  }
  const std::string& manifests = facts.config.paths().manifests();
  if (std::filesystem::exists(manifests, ignored)) facts.manifests_status = LoadObjects({manifests}).status();
  const std::string& state = facts.config.paths().state();
  facts.state_status = CheckWritable(state);
  if (const auto available = DiskAvailable(state); available.ok()) facts.disk_available = *available;
}

Group ReadGroup(const std::string& name) {
  Group group{.name = name};
  std::vector<char> buffer(16384);
  ::group entry{};
  ::group* found = nullptr;
  while (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == ERANGE)
    buffer.resize(buffer.size() * 2);
  group.exists = found != nullptr;
  for (char** member = group.exists ? entry.gr_mem : nullptr; member != nullptr && *member != nullptr; ++member)
    group.members.emplace_back(*member);
  return group;
}

void ReadSocket(const std::string& path, HostFacts& facts) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    facts.socket_status = Errno(errno, path);
  } else if (!S_ISSOCK(status.st_mode)) {
    facts.socket_status = FailedPrecondition(path + " is no socket");
  } else {
    facts.socket_mode = status.st_mode & 07777;
    for (auto folder = std::filesystem::path(path).parent_path(); folder.has_relative_path();
         folder = folder.parent_path())
      if (::stat(folder.c_str(), &status) == 0 && (status.st_mode & S_IXOTH) == 0) facts.closed_folder = folder;
  }
  facts.readers = ReadGroup(facts.config.listen().read_group());
  facts.admins = ReadGroup(facts.config.listen().admin_group());
}

void ReadUnits(HostFacts& facts) {
  facts.systemd = ::access("/run/systemd/system", F_OK) == 0;
  if (!facts.systemd) return;
  const auto shown = RunCommand({"systemctl", "show", kProperties, "bulkheadd.service", "bulkhead-tenants.service",
                                 "bulkhead.slice", "systemd-oomd.service", "docker.service", "containerd.service",
                                 "crio.service", "kubelet.service", "nomad.service"},
                                kSystemctlTimeout, kSystemctlLimit);
  if (!shown.ok())
    facts.units_status = shown.status();
  else if (shown->code != 0)
    facts.units_status = FailedPrecondition("systemctl show: " + Trim(shown->text));
  else
    facts.units = ParseUnits(shown->text);
}

}  // namespace

std::vector<Mount> ParseMounts(const std::string& mountinfo) {
  std::vector<Mount> mounts;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    // id parent major:minor root mount-point options [optional fields…] - type source super-options (proc(5))
    const size_t dash = line.find(" - ");
    std::istringstream before(line.substr(0, dash));
    std::istringstream after(dash == std::string::npos ? "" : line.substr(dash + 3));
    Mount mount;
    std::string skipped;
    before >> skipped >> skipped >> skipped >> skipped >> mount.point;
    after >> mount.type >> skipped >> mount.options;
    if (!mount.point.empty() && !mount.type.empty()) mounts.push_back(mount);
  }
  return mounts;
}

std::map<std::string, Unit> ParseUnits(const std::string& text) {
  std::map<std::string, Unit> units;
  Unit unit;
  const auto finish = [&] {
    if (const auto id = unit.find("Id"); id != unit.end()) units[id->second] = unit;
    unit.clear();
  };
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find('=');
    if (equals == std::string::npos)
      finish();
    else
      unit[line.substr(0, equals)] = line.substr(equals + 1);
  }
  finish();
  return units;
}

HostFacts ReadHost(const std::string& config_file, const std::string& socket) {
  HostFacts facts;
  ReadKernel(facts);
  ReadFiles(config_file, facts);
  ReadSocket(socket.empty() ? facts.config.paths().socket() : socket, facts);
  ReadUnits(facts);
  return facts;
}

}  // namespace bulkhead::cli
