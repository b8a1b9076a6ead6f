#include "agent/manifest/agent_config.h"

#include <google/protobuf/util/time_util.h>

#include "agent/manifest/manifest.h"

namespace bulkhead {

AgentConfig ToAgentConfig(const v1::Config& config) {
  const v1::TlsConfig& tls = config.controller().tls();
  return {.node_id = config.node().id(),
          .state_path = config.paths().state(),
          .socket_path = config.paths().socket(),
          .bpffs_path = config.paths().bpffs(),
          .manifests_path = config.paths().manifests(),
          .cgroup_root = config.cgroup().root(),
          .baseline = config.network().baseline(),
          .sampling_period = std::chrono::nanoseconds(
              google::protobuf::util::TimeUtil::DurationToNanoseconds(config.usage().interval())),
          .spool_max = config.usage().spool_max(),
          .controller = {config.controller().address(), tls.ca(), tls.cert(), tls.key()},
          .read_group = config.listen().read_group(),
          .admin_group = config.listen().admin_group(),
          .log_level = config.log().level(),
          .metrics_listen = config.metrics().listen(),
          .reserved_memory = config.reserve().memory(),
          .source = std::make_shared<const v1::Config>(config)};
}

Result<AgentConfig> LoadAgentConfig(const std::string& path) {
  BULKHEAD_ASSIGN(const v1::Config config, LoadConfig(path));
  return ToAgentConfig(config);
}

AgentConfig DefaultAgentConfig() { return ToAgentConfig(DefaultConfig()); }

AgentConfig WithoutMetrics(const AgentConfig& config) {
  v1::Config without = *config.source;
  without.mutable_metrics()->clear_listen();
  return ToAgentConfig(without);
}

}  // namespace bulkhead
