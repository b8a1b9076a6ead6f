// A node with a real socket, server and core thread over the fake kernel.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/event_loop.h"
#include "agent/base/unique_fd.h"
#include "agent/engine/engine.h"
#include "agent/rpc/node_api.h"
#include "agent/rpc/server.h"
#include "bulkhead/v1/node_service.grpc.pb.h"
#include "tests/support/fake_cgroup_tree.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_policy_maps.h"
#include "tests/support/fake_usage_source.h"

namespace bulkhead::test {

// A connection to `path` made by a process with these credentials; not valid when that is refused by the kernel. The
// process stays until the returned object is destroyed.
class ConnectionAs {
 public:
  ConnectionAs(const std::string& path, uint32_t uid, const std::vector<uint32_t>& groups);
  ~ConnectionAs();
  ConnectionAs(const ConnectionAs&) = delete;
  ConnectionAs& operator=(const ConnectionAs&) = delete;
  UniqueFd fd;

 private:
  int pid_ = -1;
  UniqueFd stay_;
};

std::unique_ptr<v1::NodeService::Stub> StubOn(std::shared_ptr<grpc::Channel> channel);
std::shared_ptr<grpc::Channel> ChannelOn(UniqueFd connection);
UniqueFd ConnectTo(const std::string& path);
bool ClosedByPeer(int fd);  // waits up to 10 s for the first byte or the end

class LiveNode {
 public:
  struct Options {
    size_t inbox = 64;
    size_t events = 1000;
    AccessRules rules{.read_group = "", .admin_group = "", .tenant_root = "/none-such"};
    size_t max_connections = 256;
    std::function<void(ReloadDone)> reload = [](const ReloadDone& done) { done(ReloadReport{}); };
    bool run = true;  // false: a core thread that never comes, as when the start fails after the server's
  };
  explicit LiveNode(Options options);
  LiveNode() : LiveNode(Options{}) {}
  ~LiveNode();

  const std::string& socket() const { return socket_; }
  std::shared_ptr<grpc::Channel> Channel() { return ChannelOn(ConnectTo(socket_)); }
  std::unique_ptr<v1::NodeService::Stub> Stub() { return StubOn(Channel()); }

  // Runs on the core thread and waits.
  void OnCore(const std::function<void()>& work);
  // Holds the core thread until the returned promise is set.
  std::promise<void> HoldCore();
  EventLoop& loop() { return *loop_; }
  void Stop();  // as bulkheadd does on SIGTERM

 private:
  std::string folder_;
  std::string socket_;

 public:
  // Core thread only, while it runs.
  FakeCgroupTree tree;
  FakePolicyMaps maps{tree};
  FakeClock clock;
  FakeUsageSource usage{clock};
  EventLog events;
  DiagnosisFacts host{.capabilities = ~0ULL, .disk_available = 1ULL << 40U};

 private:
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<Ledger> ledger_;

 public:
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<Engine> engine;

 private:
  std::unique_ptr<NodeApi> api_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

}  // namespace bulkhead::test
