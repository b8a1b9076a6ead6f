// bulkheadd: flags → configuration → construction → recovery → ready → loop → orderly stop. The only file that names
// the concrete classes. Whatever ends this process, every wall goes on standing in the kernel.
#include <csignal>
#include <cstdlib>

#include <fmt/format.h>

#include "agent/base/clock.h"
#include "agent/base/event_loop.h"
#include "agent/base/host.h"
#include "agent/base/log.h"
#include "agent/base/version.h"
#include "agent/daemon/controller_link.h"
#include "agent/daemon/live_config.h"
#include "agent/daemon/meter.h"
#include "agent/daemon/node_metrics.h"
#include "agent/daemon/reloader.h"
#include "agent/daemon/startup.h"
#include "agent/engine/engine.h"
#include "agent/kernel/bpf_policy.h"
#include "agent/kernel/checkup.h"
#include "agent/kernel/disks.h"
#include "agent/kernel/kernel_usage.h"
#include "agent/kernel/libcgroup_tree.h"
#include "agent/kernel/loopback_peer.h"
#include "agent/rpc/convert.h"
#include "agent/rpc/server.h"

namespace bulkhead {
namespace {

constexpr size_t kInbox = 256;  // requests that may wait
constexpr size_t kEvents = 10'000;
constexpr std::chrono::seconds kReconcilePeriod{5};
constexpr std::chrono::milliseconds kRootPeriod{250};
constexpr std::chrono::milliseconds kRemovalPeriod{500};

void SayIfSetAside(const std::string& what, const std::string& file, EventLog& events) {
  if (file.empty()) return;
  log::Warning("corrupt file set aside, a new one begun", {{"what", what}, {"file", file}});
  events.Add("degraded", "", fmt::format("the {} was corrupt: it is kept as {}", what, file));
}

Status RunAgent(const Flags& flags, const AgentConfig& config) {
  BULKHEAD_RETURN_IF_ERROR(log::SetLevel(config.log_level));
  (void)std::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();  // before the tree takes its share
  BULKHEAD_ASSIGN(const auto loop, EventLoop::Create(kInbox));
  for (const int signal : {SIGTERM, SIGINT})  // before any thread is born
    BULKHEAD_RETURN_IF_ERROR(loop->AddSignal(signal, [&] { loop->Stop(); }));
  std::unique_ptr<Reloader> reloader;
  BULKHEAD_RETURN_IF_ERROR(loop->AddSignal(SIGHUP, [&] { reloader->Request([](const auto&) {}); }));
  BULKHEAD_ASSIGN(const UniqueFd lock, LockState(config.state_path));

  const SystemClock clock;
  BULKHEAD_ASSIGN(const std::string boot_id, BootId());
  BULKHEAD_ASSIGN(const Baseline baseline, ParseBaseline(config.baseline));
  BULKHEAD_ASSIGN(const std::string machine_id, MachineId());
  const uint64_t memory_bytes = HostMemory();
  if (config.reserved_memory > memory_bytes)
    return InvalidArgument(
        fmt::format("reserve.memory: {} bytes, but this host has {}", config.reserved_memory, memory_bytes));
  BULKHEAD_ASSIGN(const auto tree, LibcgroupTree::Create(config.cgroup_root));
  const NodeFacts facts{.node_id = config.node_id.empty() ? machine_id : config.node_id,
                        .boot_id = boot_id,
                        .cgroup_root = tree->root_path(),
                        .cgroup_mode = tree->mode(),
                        .config_file = ConfigFile(flags),
                        .features = ProbeFeatures(*tree),
                        .baseline = baseline,
                        .started = clock.Wall()};
  // Before the data plane is touched: a socket in use means that another agent enforces.
  BULKHEAD_ASSIGN(auto listener,
                  Listener::Create({.path = config.socket_path, .rules = RulesOf(config, tree->root_cgroup())}));
  BULKHEAD_ASSIGN(const auto maps, BpfPolicy::Create(tree->root_path(), config.bpffs_path));
  EventLog events(clock, kEvents);
  std::string aside;
  BULKHEAD_ASSIGN(const auto store, StateStore::OpenOrSetAside(config.state_path + "/state.db",
                                                               {.encode = EncodeSpec, .decode = DecodeSpec}, aside));
  SayIfSetAside("desired state", aside, events);
  BULKHEAD_ASSIGN(const auto ledger,
                  Ledger::OpenOrSetAside(config.state_path + "/ledger.db", boot_id, config.spool_max, aside));
  SayIfSetAside("ledger", aside, events);

  KernelUsage usage(*tree, *maps, clock);
  TenantMeter tenants(usage);
  Sampler sampler(usage, *ledger, clock, boot_id);
  ControllerLink controller(facts, *ledger, *loop);
  std::unique_ptr<Meter> meter;
  bool ready = false;
  Engine engine({.tree = *tree,
                 .maps = *maps,
                 .store = *store,
                 .clock = clock,
                 .events = events,
                 .disk_under = [](const std::string& path) { return DiskUnder(path); }},
                baseline, [&](const LiveTask& task) { return meter->Final(task); });
  engine.SetGuaranteed(memory_bytes, config.reserved_memory);
  meter = std::make_unique<Meter>(Meter::Parts{
      .engine = engine, .sampler = sampler, .tenants = tenants, .events = events, .clock = clock, .recorded = [&] {
        controller.Wake();
      }});
  NodeApi api({.engine = engine,
               .events = events,
               .ledger = *ledger,
               .sampler = sampler,
               .clock = clock,
               .read_tenant = [&](const TenantId& tenant) { return tenants.Read(tenant); },
               .map_use = [&] { return maps->Use(); },
               .controller = [&] { return controller.State(); },
               .ready = [&] { return ready; },
               .load = [&] { return reloader->state(); },
               .reload = [&](const ReloadDone& done) { reloader->Request(done); },
               .look_over = [&] { return LookOver(*tree, *maps, config.state_path); }},
              facts);
  BULKHEAD_ASSIGN(auto server, Server::Start(std::move(listener), *loop, api));

  BULKHEAD_RETURN_IF_ERROR(Annotate(engine.Recover(), "recover the desired state"));
  BULKHEAD_RETURN_IF_ERROR(meter->Recover());
  BULKHEAD_ASSIGN(const auto sampling, loop->AddTimer(config.sampling_period, [&] { meter->Round(); }));
  BULKHEAD_RETURN_IF_ERROR(loop->AddTimer(kReconcilePeriod, [&] { engine.Reconcile(); }).status());
  BULKHEAD_RETURN_IF_ERROR(loop->AddTimer(kRootPeriod, [&] { engine.WatchRoot(); }).status());
  BULKHEAD_RETURN_IF_ERROR(loop->AddTimer(kRemovalPeriod, [&] { engine.ContinueRemovals(); }).status());
  MetricsCollector metrics = MakeCollector({.facts = facts,
                                            .loop = *loop,
                                            .clock = clock,
                                            .engine = engine,
                                            .events = events,
                                            .ledger = *ledger,
                                            .sampler = sampler,
                                            .meter = *meter,
                                            .tenants = tenants,
                                            .maps = *maps,
                                            .server = *server,
                                            .controller = controller,
                                            .unknown = [&] { return maps->ReadUnknown(); },
                                            .load = [&] { return reloader->state(); },
                                            .ready = [&] { return ready; }});
  LoopbackJudge judge(tree->mounts().unified().mount_point, tree->root_path());
  LiveConfig live({.loop = *loop,
                   .sampling = sampling,
                   .ledger = *ledger,
                   .server = *server,
                   .controller = controller,
                   .metrics = {.core = *loop,
                               .collect = [&] { return metrics.Collect(); },
                               .check_peer = [&](const auto& peer, const auto& own) { return judge.Check(peer, own); }},
                   .tenant_root = tree->root_cgroup()},
                  config);
  BULKHEAD_ASSIGN(
      reloader,
      Reloader::Start(
          {.core = *loop, .engine = engine, .events = events, .clock = clock, .config = live, .read_config = [&] {
             return ReadConfig(flags);
           }}));
  reloader->Begin();
  BULKHEAD_RETURN_IF_ERROR(controller.Set(config.controller));
  BULKHEAD_RETURN_IF_ERROR(FeedWatchdog(*loop));

  ready = true;
  server->SetServing(true);
  NotifyReady(reloader->state().error);
  log::Info("ready", {{"version", kVersion}, {"node", facts.node_id}, {"cgroups", facts.cgroup_mode}});
  const Status ran = loop->Run();
  NotifyStopping();
  reloader->Stop();
  controller.Stop();
  server.reset();  // cancels what is under way; walls and meters in the kernel stay
  log::Info("stopped: every wall goes on standing");
  return ran;
}

}  // namespace
}  // namespace bulkhead

int main(int argc, char** argv) {
  bulkhead::Flags flags;
  if (const auto code = bulkhead::ParseFlags(argc, argv, flags)) return *code;
  const auto config = bulkhead::ReadConfig(flags);
  const bulkhead::Status done =
      !config.ok() || flags.check_config ? config.status() : bulkhead::RunAgent(flags, *config);
  if (done.ok()) return EXIT_SUCCESS;
  fmt::print(stderr, "bulkheadd: {}\n", bulkhead::Message(done));
  return EXIT_FAILURE;
}
