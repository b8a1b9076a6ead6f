#include "agent/daemon/startup.h"

#include <CLI/CLI.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <filesystem>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/base/version.h"

namespace bulkhead {
namespace {

constexpr const char* kDefaultConfig = "/etc/bulkhead/bulkheadd.yaml";
constexpr int kUsageExit = 2;

}  // namespace

std::optional<int> ParseFlags(int argc, char** argv, Flags& flags) {
  CLI::App app("Walls off and meters the tenants of this host.", "bulkheadd");
  app.add_option("--config", flags.config, fmt::format("Configuration file; default {}", kDefaultConfig))
      ->type_name("FILE");
  app.add_flag("--check-config", flags.check_config, "Read the configuration, say what is wrong with it, and end");
  app.set_version_flag("--version", std::string("bulkheadd ") + kVersion);
  app.footer("Example: bulkheadd --config /etc/bulkhead/bulkheadd.yaml --check-config");
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "bulkheadd: {}: try bulkheadd --help\n", error.what());
    return kUsageExit;
  }
}

Result<AgentConfig> ReadConfig(const Flags& flags) {
  if (!flags.config.empty()) return LoadAgentConfig(flags.config);
  auto config = LoadAgentConfig(kDefaultConfig);
  if (config.status().code() == StatusCode::kNotFound) return DefaultAgentConfig();
  return config;
}

std::string ConfigFile(const Flags& flags) {
  std::error_code failed;
  if (flags.config.empty()) return std::filesystem::exists(kDefaultConfig, failed) ? kDefaultConfig : "";
  const auto absolute = std::filesystem::absolute(flags.config, failed);
  return failed ? flags.config : absolute.string();
}

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // raising it to the hard limit is always allowed
}

Result<UniqueFd> LockState(const std::string& directory) {
  std::error_code made;
  std::filesystem::create_directories(directory, made);
  if (made) return Errno(made.value(), fmt::format("make state directory {}", directory));
  if (::chmod(directory.c_str(), 0700) != 0) return Errno(errno, "protect state directory " + directory);
  const std::string path = directory + "/lock";
  BULKHEAD_ASSIGN(UniqueFd lock, OpenAt(AT_FDCWD, path, O_RDWR | O_CREAT, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return Errno(errno, "lock " + path);
  return FailedPrecondition(
      fmt::format("state directory {}: another bulkheadd uses it: stop that one, or set paths.state", directory));
}

// Without systemd there is nobody to tell.
void NotifyReloading() {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);  // cannot fail
  (void)::sd_notify(0,
                    fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1000).c_str());
}

void NotifyReady(const Status& load) {
  std::string text = load.ok() ? "" : "Not in force as written: " + Message(load);
  text.resize(std::min(text.find('\n'), text.size()));  // the first of several mistakes
  (void)::sd_notify(0, fmt::format("READY=1\nSTATUS={}", text).c_str());
}

void NotifyStopping() { (void)::sd_notify(0, "STOPPING=1"); }

Status FeedWatchdog(EventLoop& loop) {
  uint64_t period_usec = 0;
  if (::sd_watchdog_enabled(0, &period_usec) <= 0) return Ok();
  return loop.AddTimer(std::chrono::microseconds(period_usec / 3), [] { (void)::sd_notify(0, "WATCHDOG=1"); }).status();
}

}  // namespace bulkhead
