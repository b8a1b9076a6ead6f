// The agent's configuration as plain values. The message bulkhead.v1.Config stays behind them; its comments say what
// each field means, its unit, range and default.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/status.h"

namespace bulkhead {

namespace v1 {
class Config;
}

struct ControllerTarget {
  std::string address;  // empty: none
  std::string tls_ca;
  std::string tls_cert;
  std::string tls_key;
  bool operator==(const ControllerTarget&) const = default;
};

// Every value is checked, every default filled in.
struct AgentConfig {
  std::string node_id;  // empty: the machine's
  std::string state_path;
  std::string socket_path;
  std::string bpffs_path;
  std::string manifests_path;
  std::string cgroup_root;
  std::string baseline;
  std::chrono::nanoseconds sampling_period{};
  uint64_t spool_max = 0;  // bytes
  ControllerTarget controller;
  std::string read_group;
  std::string admin_group;
  std::string log_level;
  std::string metrics_listen;                // empty: no metrics
  uint64_t reserved_memory = 0;              // bytes
  std::shared_ptr<const v1::Config> source;  // what all of it was read from
};

AgentConfig ToAgentConfig(const v1::Config& config);
// LoadConfig and DefaultConfig (manifest.h), as values.
Result<AgentConfig> LoadAgentConfig(const std::string& path);
AgentConfig DefaultAgentConfig();
// The same without metrics: what is in force when they could not be offered.
AgentConfig WithoutMetrics(const AgentConfig& config);

struct ConfigChange {
  std::string field;    // "usage.interval"
  bool reload = false;  // comes into force at a reload; else it needs a restart
};

// The fields whose values differ, in order of the schema. An absent section is the same as an empty one.
std::vector<ConfigChange> ConfigChanges(const AgentConfig& running, const AgentConfig& next);

}  // namespace bulkhead
