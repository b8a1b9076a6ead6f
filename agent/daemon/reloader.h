// Reads configuration and manifests, at start and when asked, and brings them into force: whole or not at all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/daemon/live_config.h"
#include "agent/engine/engine.h"
#include "agent/rpc/node_api.h"

namespace bulkhead {

// Core thread only. Files are read and decoded by a thread of its own, one reload after the other; the core thread
// takes what came out of it.
class Reloader {
 public:
  struct Parts {
    EventLoop& core;
    Engine& engine;
    EventLog& events;
    const Clock& clock;
    LiveConfig& config;
    std::function<Result<AgentConfig>()> read_config;  // any thread
  };
  static Result<std::unique_ptr<Reloader>> Start(Parts parts);
  ~Reloader() { Stop(); }
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // When the agent starts: metrics are offered, and what lies in the manifests folder is applied. A mistake there is
  // told, and nothing of the folder is applied: the state of before goes on, since walls that stand are better than an
  // agent that does not start.
  void Begin();
  // A reload; systemd, where it started us, sees its begin and end.
  void Request(const ReloadDone& done);
  void Stop();  // what waits is dropped

  const LoadState& state() const { return state_; }

 private:
  struct Files {
    AgentConfig config;
    std::vector<ObjectSpec> specs;
  };
  explicit Reloader(Parts parts) : parts_(std::move(parts)) {}
  Result<Files> Read(const std::string& folder) const;
  Result<ReloadReport> ApplyManifests();
  Result<ReloadReport> Take(const Files& files);
  static void GiveUp(const Status& why, const ReloadDone& done);
  void Finish(const Result<ReloadReport>& report);

  Parts parts_;
  LoadState state_;
  std::unique_ptr<EventLoop> files_;
  std::thread thread_;  // runs files_
};

}  // namespace bulkhead
