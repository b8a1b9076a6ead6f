// bulkheadd: flags → configuration → construction → recovery → ready → loop → orderly stop. The only file that names
// the concrete classes. Whatever ends this process, every wall goes on standing in the kernel.
#include <csignal>
#include <cstdlib>

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "agent/base/clock.h"
#include "agent/base/event_loop.h"
#include "agent/base/host.h"
#include "agent/base/log.h"
#include "agent/daemon/meter.h"
#include "agent/daemon/startup.h"
#include "agent/engine/engine.h"
#include "agent/kernel/bpf_policy.h"
#include "agent/kernel/kernel_usage.h"
#include "agent/kernel/libcgroup_tree.h"
#include "agent/rpc/convert.h"
#include "agent/rpc/report_client.h"
#include "agent/rpc/server.h"

namespace bulkhead {
namespace {

constexpr size_t kInbox = 256;  // requests that may wait
constexpr size_t kEvents = 10'000;
constexpr std::chrono::seconds kReconcilePeriod{5};
constexpr std::chrono::milliseconds kRootPeriod{250};

void SayIfSetAside(const std::string& what, const std::string& file, EventLog& events) {
  if (file.empty()) return;
  log::Warning("corrupt file set aside, a new one begun", {{"what", what}, {"file", file}});
  events.Add("degraded", "", fmt::format("the {} was corrupt: it is kept as {}", what, file));
}

Result<std::unique_ptr<ReportClient>> StartReport(const v1::Config& config, const NodeFacts& facts, Ledger& ledger,
                                                  EventLoop& loop) {
  if (config.controller().address().empty()) return nullptr;
  const v1::TlsConfig& tls = config.controller().tls();
  return ReportClient::Start({.address = config.controller().address(),
                              .tls_ca = tls.ca(),
                              .tls_cert = tls.cert(),
                              .tls_key = tls.key(),
                              .node_id = facts.node_id,
                              .boot_id = facts.boot_id},
                             ledger, [&loop](std::function<void()> work) { return loop.Post(std::move(work)); });
}

Status RunAgent(const v1::Config& config) {
  BULKHEAD_RETURN_IF_ERROR(log::SetLevel(config.log().level()));
  (void)std::signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();  // before the tree takes its share
  BULKHEAD_ASSIGN(const auto loop, EventLoop::Create(kInbox));
  for (const int signal : {SIGTERM, SIGINT})  // before any thread is born
    BULKHEAD_RETURN_IF_ERROR(loop->AddSignal(signal, [&] { loop->Stop(); }));
  BULKHEAD_ASSIGN(const UniqueFd lock, LockState(config.paths().state()));

  const SystemClock clock;
  BULKHEAD_ASSIGN(const std::string boot_id, BootId());
  BULKHEAD_ASSIGN(const Baseline baseline, ParseBaseline(config.network().baseline()));
  BULKHEAD_ASSIGN(const std::string machine_id, MachineId());
  BULKHEAD_ASSIGN(const auto tree, LibcgroupTree::Create(config.cgroup().root()));
  const NodeFacts facts{.node_id = config.node().id().empty() ? machine_id : config.node().id(),
                        .boot_id = boot_id,
                        .cgroup_root = tree->root_path(),
                        .cgroup_mode = tree->mode(),
                        .baseline = baseline,
                        .started = clock.Wall()};
  // Before the data plane is touched: a socket in use means that another agent enforces.
  BULKHEAD_ASSIGN(auto listener, Listener::Create({.path = config.paths().socket(),
                                                   .rules = {.read_group = config.listen().read_group(),
                                                             .admin_group = config.listen().admin_group(),
                                                             .tenant_root = tree->root_cgroup()}}));
  BULKHEAD_ASSIGN(const auto maps, BpfPolicy::Create(tree->root_path(), config.paths().bpffs()));
  EventLog events(clock, kEvents);
  std::string aside;
  BULKHEAD_ASSIGN(const auto store, StateStore::OpenOrSetAside(config.paths().state() + "/state.db",
                                                               {.encode = EncodeSpec, .decode = DecodeSpec}, aside));
  SayIfSetAside("desired state", aside, events);
  BULKHEAD_ASSIGN(const auto ledger, Ledger::OpenOrSetAside(config.paths().state() + "/ledger.db", boot_id,
                                                            config.usage().spool_max(), aside));
  SayIfSetAside("ledger", aside, events);

  KernelUsage usage(*tree, *maps, clock);
  TenantMeter tenants(usage);
  Sampler sampler(usage, *ledger, clock, boot_id);
  std::unique_ptr<ReportClient> report;
  std::unique_ptr<Meter> meter;
  bool ready = false;
  Engine engine({.tree = *tree, .maps = *maps, .store = *store, .clock = clock, .events = events}, baseline,
                [&](const LiveTask& task) { meter->Final(task); });
  meter = std::make_unique<Meter>(
      Meter::Parts{.engine = engine, .sampler = sampler, .tenants = tenants, .events = events, .recorded = [&] {
                     if (report) report->Wake();
                   }});
  NodeApi api({.engine = engine,
               .events = events,
               .ledger = *ledger,
               .sampler = sampler,
               .clock = clock,
               .read_tenant = [&](const TenantId& tenant) { return tenants.Read(tenant); },
               .map_use = [&] { return maps->Use(); },
               .controller = [&] { return report ? report->State() : v1::ControllerState(); },
               .ready = [&] { return ready; }},
              facts);
  BULKHEAD_ASSIGN(auto server, Server::Start(std::move(listener), *loop, api));

  BULKHEAD_RETURN_IF_ERROR(Annotate(engine.Recover(), "recover the desired state"));
  BULKHEAD_RETURN_IF_ERROR(meter->Recover());
  ApplyManifests(config.paths().manifests(), engine, events);
  BULKHEAD_ASSIGN(report, StartReport(config, facts, *ledger, *loop));
  const std::chrono::nanoseconds interval(
      google::protobuf::util::TimeUtil::DurationToNanoseconds(config.usage().interval()));
  BULKHEAD_RETURN_IF_ERROR(loop->AddTimer(interval, [&] { meter->Round(); }));
  BULKHEAD_RETURN_IF_ERROR(loop->AddTimer(kReconcilePeriod, [&] { engine.Reconcile(); }));
  BULKHEAD_RETURN_IF_ERROR(loop->AddTimer(kRootPeriod, [&] { engine.WatchRoot(); }));
  BULKHEAD_RETURN_IF_ERROR(FeedWatchdog(*loop));

  ready = true;
  server->SetServing(true);
  NotifyReady();
  log::Info("ready", {{"version", BULKHEAD_VERSION}, {"node", facts.node_id}, {"cgroups", facts.cgroup_mode}});
  const Status ran = loop->Run();
  NotifyStopping();
  if (report) report->Stop();
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
  const bulkhead::Status done = !config.ok() || flags.check_config ? config.status() : bulkhead::RunAgent(*config);
  if (done.ok()) return EXIT_SUCCESS;
  fmt::print(stderr, "bulkheadd: {}\n", bulkhead::Message(done));
  return EXIT_FAILURE;
}
