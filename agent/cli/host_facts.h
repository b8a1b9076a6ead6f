// What can be seen of a host without the agent.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "bulkhead/v1/config.pb.h"

namespace bulkhead::cli {

struct Mount {
  std::string point;
  std::string type;     // "cgroup2", "bpf"
  std::string options;  // of the file system: a v1 hierarchy names its controllers here
};
// Of a /proc/PID/mountinfo text, in its order: a later mount hides an earlier one on the same point. Pure.
std::vector<Mount> ParseMounts(const std::string& mountinfo);

using Unit = std::map<std::string, std::string>;  // property → value
// Of what `systemctl show` prints for several units, by Id. Pure.
std::map<std::string, Unit> ParseUnits(const std::string& text);

struct Group {
  std::string name;
  bool exists = false;
  std::vector<std::string> members;
};

struct HostFacts {
  std::string kernel;        // release
  bool host_cgroups = true;  // not in a cgroup namespace of our own
  std::vector<Mount> mounts;
  bool btf = false;
  std::optional<std::string> modules;   // of security, "lockdown,capability,bpf"; nullopt: cannot be seen
  std::optional<std::string> lockdown;  // "none", "integrity" or "confidentiality"
  std::optional<bool> jit;
  std::optional<bool> clock_synchronised;

  // Files.
  std::string config_file;  // empty: none, the defaults hold
  Status config_status;
  v1::Config config;  // the defaults when it cannot be read
  Status manifests_status;
  Status state_status;  // of the state directory: there and writable, for who asks
  uint64_t disk_available = 0;

  // The socket.
  Status socket_status;
  mode_t socket_mode = 0;
  std::string closed_folder;  // above the socket, that others may not pass; empty: none
  Group readers;
  Group admins;

  bool systemd = false;
  Status units_status;
  std::map<std::string, Unit> units;
};

// `config_file` empty: /etc/bulkhead/bulkheadd.yaml where it exists. `socket`: path; empty: the configuration's.
HostFacts ReadHost(const std::string& config_file, const std::string& socket);

}  // namespace bulkhead::cli
