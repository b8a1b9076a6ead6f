#include <sys/un.h>

#include <algorithm>

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "agent/manifest/decode.h"
#include "agent/manifest/manifest.h"
#include "agent/manifest/objects.h"

namespace bulkhead {
namespace {

using google::protobuf::util::TimeUtil;

constexpr uint64_t kMinSpool = uint64_t{1} << 20;
constexpr int64_t kMinIntervalMs = 100;
constexpr int64_t kMaxIntervalMs = 3'600'000;
constexpr size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

bool HasOnly(const std::string& text, const std::string& marks) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           marks.find(c) != std::string::npos;
  });
}

// "a/b": no empty, "." or ".." component between the slashes.
bool IsCleanPath(const std::string& path) {
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    if (part.empty() || part == "." || part == "..") return false;
    start = end + 1;
  }
  return true;
}

struct Address {
  std::string host;
  bool unix_socket = false;
};

// "unix:///path", "host:port" or "[v6]:port"; nullopt otherwise.
std::optional<Address> ParseAddress(const std::string& text) {
  if (text.starts_with("unix://")) {
    const std::string path = text.substr(7);
    if (!path.starts_with('/') || !IsCleanPath(path.substr(1)) || path.size() > kMaxSocketPath) return std::nullopt;
    return Address{path, true};
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos ||
      std::stoi(port) < 1 || std::stoi(port) > 65535)
    return std::nullopt;
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.size() > 253 || !HasOnly(host, bracketed ? ":.%" : ".-_")) return std::nullopt;
  return Address{host, false};
}

bool IsLoopback(const std::string& host) {
  // A name like 127.evil.example must not pass for an address.
  const bool v4 = host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
  return host == "localhost" || host == "::1" || v4;
}

// Checks a whole configuration, defaults filled in; reports every field that is wrong.
class Checker {
 public:
  Checker(const v1::Config& config, const Lines& lines, Report& report)
      : config_(config), lines_(lines), report_(report) {}

  void CheckAll() {
    CheckNode();
    for (const auto& [path, value] :
         {std::pair{"paths.state", &config_.paths().state()}, std::pair{"paths.socket", &config_.paths().socket()},
          std::pair{"paths.bpffs", &config_.paths().bpffs()},
          std::pair{"paths.manifests", &config_.paths().manifests()}})
      CheckAbsolute(path, *value);
    if (config_.paths().socket().size() > kMaxSocketPath)
      Bad("paths.socket",
          fmt::format("{} bytes long, the kernel takes {} at most", config_.paths().socket().size(), kMaxSocketPath));
    CheckOneOf("network.baseline", config_.network().baseline(), {"isolate", "deny", "allow"});
    CheckOneOf("log.level", config_.log().level(), {"debug", "info", "warning", "error"});
    CheckUsage();
    CheckController();
    CheckGroup("listen.read_group", config_.listen().read_group());
    CheckGroup("listen.admin_group", config_.listen().admin_group());
    CheckMetrics();
  }

 private:
  void Bad(const std::string& path, const std::string& message) {
    int line = 1;
    for (std::string place = path; !place.empty(); place = place.substr(0, std::min(place.rfind('.'), place.size()))) {
      if (const auto found = lines_.find(place); found != lines_.end()) {
        line = found->second;
        break;
      }
      if (place.find('.') == std::string::npos) break;
    }
    report_.Add(line, path, message);
  }

  void CheckNode() {
    const std::string& id = config_.node().id();
    if (id.size() > 253 || !HasOnly(id, "._-"))
      Bad("node.id", fmt::format("{} is not a node id: use up to 253 letters, digits, '.', '_' and '-'", Quoted(id)));
    const std::string& root = config_.cgroup().root();
    if (!IsCleanPath(root) || !HasOnly(root, "._-/@") || root.size() > 255)
      Bad("cgroup.root",
          fmt::format("{} is not a cgroup below the top: use auto, or a name like bulkhead", Quoted(root)));
  }

  void CheckAbsolute(const std::string& path, const std::string& value) {
    if (!value.starts_with('/') || !IsCleanPath(value.substr(1)) || value.size() > 4095)
      Bad(path, fmt::format("{} is not an absolute path without . and ..", Quoted(value)));
  }

  void CheckOneOf(const std::string& path, const std::string& value, const std::vector<std::string>& known) {
    if (std::find(known.begin(), known.end(), value) == known.end())
      Bad(path, fmt::format("{} is not known: use one of {}", Quoted(value), fmt::join(known, ", ")));
  }

  void CheckGroup(const std::string& path, const std::string& group) {
    const bool starts = !group.empty() && (group[0] == '_' || (HasOnly(group.substr(0, 1), "") && !isdigit(group[0])));
    if (!starts || group.size() > 32 || !HasOnly(group, "_-."))
      Bad(path, fmt::format("{} is not a group name", Quoted(group)));
  }

  void CheckUsage() {
    const int64_t ms = TimeUtil::DurationToMilliseconds(config_.usage().interval());
    if (ms < kMinIntervalMs || ms > kMaxIntervalMs) Bad("usage.interval", fmt::format("out of range, use 100ms to 1h"));
    if (config_.usage().spool_max() < kMinSpool) Bad("usage.spool_max", "out of range, use 1MiB or more");
  }

  void CheckController() {
    const std::string& address = config_.controller().address();
    const v1::TlsConfig& tls = config_.controller().tls();
    const bool any = !tls.ca().empty() || !tls.cert().empty() || !tls.key().empty();
    if (any) {
      for (const auto& [path, value] :
           {std::pair{"controller.tls.ca", &tls.ca()}, std::pair{"controller.tls.cert", &tls.cert()},
            std::pair{"controller.tls.key", &tls.key()}}) {
        if (value->empty())
          Bad(path, "missing: ca, cert and key go together");
        else
          CheckAbsolute(path, *value);
      }
    }
    if (address.empty()) {
      if (any) Bad("controller.address", "missing: tls is configured, but no address to use it for");
      return;
    }
    const auto parsed = ParseAddress(address);
    if (!parsed)
      return Bad("controller.address",
                 fmt::format("{} is not an address: use host:port, [v6]:port or unix:///path", Quoted(address)));
    if (!any && !parsed->unix_socket && !IsLoopback(parsed->host))
      Bad("controller.tls",
          fmt::format("missing: {} is not on this host; only a loopback address or a unix socket goes "
                      "without ca, cert and key",
                      address));
  }

  void CheckMetrics() {
    const std::string& address = config_.metrics().listen();
    if (address.empty()) return;
    const auto parsed = ParseAddress(address);
    if (!parsed)
      return Bad("metrics.listen",
                 fmt::format("{} is not an address: use unix:///path, 127.0.0.1:port or [::1]:port", Quoted(address)));
    if (!parsed->unix_socket && (!IsLoopback(parsed->host) || parsed->host == "localhost"))
      Bad("metrics.listen",
          fmt::format("{} is no loopback address: metrics name every tenant and never leave the host; use "
                      "unix:///run/bulkhead/metrics.sock or 127.0.0.1:9105, and a proxy that asks who wants to know",
                      address));
    if (parsed->unix_socket && parsed->host == config_.paths().socket())
      Bad("metrics.listen", fmt::format("{} is paths.socket already", address));
  }

  const v1::Config& config_;
  const Lines& lines_;
  Report& report_;
};

}  // namespace

v1::Config DefaultConfig() {
  v1::Config config;
  config.mutable_node();
  config.mutable_paths()->set_state("/var/lib/bulkhead");
  config.mutable_paths()->set_socket("/run/bulkhead/bulkheadd.sock");
  config.mutable_paths()->set_bpffs("/sys/fs/bpf/bulkhead");
  config.mutable_paths()->set_manifests("/etc/bulkhead/tenants.d");
  config.mutable_cgroup()->set_root("auto");
  config.mutable_network()->set_baseline("isolate");
  *config.mutable_usage()->mutable_interval() = TimeUtil::SecondsToDuration(1);
  config.mutable_usage()->set_spool_max(uint64_t{256} << 20);
  config.mutable_controller();
  config.mutable_listen()->set_read_group("bulkhead");
  config.mutable_listen()->set_admin_group("bulkhead-admin");
  config.mutable_log()->set_level("info");
  config.mutable_metrics();
  config.mutable_reserve()->set_memory(0);
  return config;
}

Result<v1::Config> ParseConfig(const std::string& text, const std::string& name) {
  Report report(name);
  Lines lines;
  v1::Config config = DefaultConfig();
  const std::vector<YamlNode> documents = ParseYaml(text, report);
  if (documents.size() > 1) report.Add(documents[1].line, "", "a configuration is one document");
  if (!documents.empty()) DecodeYaml(documents[0], "", config, report, &lines);
  if (report.ok()) Checker(config, lines, report).CheckAll();
  BULKHEAD_RETURN_IF_ERROR(ToStatus(report.errors()));
  return config;
}

Result<v1::Config> LoadConfig(const std::string& path) {
  BULKHEAD_ASSIGN(const std::string text, ReadText(path));
  return ParseConfig(text, path);
}

}  // namespace bulkhead
