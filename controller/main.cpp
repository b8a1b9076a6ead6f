// bulkhead-controller: the reference controller. Takes the usage that nodes report and says what tenants used.
#include <csignal>
#include <cstdio>

#include <systemd/sd-daemon.h>
#include <CLI/CLI.hpp>

#include "agent/base/event_loop.h"
#include "agent/base/log.h"
#include "agent/base/version.h"
#include "controller/server.h"
#include "controller/show.h"
#include "controller/store.h"

namespace bulkhead {
namespace {

constexpr char kDefaultAddress[] = "unix:///run/bulkhead-controller/controller.sock";

struct ServeOptions {
  std::string listen = kDefaultAddress;
  std::string state = "/var/lib/bulkhead-controller/controller.db";
  std::string log_level = "info";
  TlsFiles tls;
};

Status Serve(const ServeOptions& options) {
  BULKHEAD_RETURN_IF_ERROR(log::SetLevel(options.log_level));
  BULKHEAD_RETURN_IF_ERROR(CheckAddress(options.listen, options.tls).status());
  BULKHEAD_ASSIGN(const std::unique_ptr<EventLoop> loop, EventLoop::Create(16));
  // Before gRPC makes threads: they inherit the blocked signals.
  for (const int signal : {SIGTERM, SIGINT})
    BULKHEAD_RETURN_IF_ERROR(loop->AddSignal(signal, [raw = loop.get()] { raw->Stop(); }));
  const SystemClock clock;
  BULKHEAD_ASSIGN(std::unique_ptr<Store> store, Store::Open(options.state, clock));
  BULKHEAD_ASSIGN(const std::unique_ptr<ControllerServer> server,
                  ControllerServer::Start(options.listen, options.tls, std::move(store)));
  log::Info("controller listens", {{"address", options.listen}, {"port", server->port()}, {"state", options.state}});
  (void)::sd_notify(0, "READY=1");  // without systemd there is nobody to tell
  BULKHEAD_RETURN_IF_ERROR(loop->Run());
  log::Info("controller stops");
  return Ok();
}

void AddTls(CLI::App& app, TlsFiles& tls) {
  app.add_option("--tls-ca", tls.ca, "PEM file: who signs the other side's certificate");
  app.add_option("--tls-cert", tls.cert, "PEM file: our certificate");
  app.add_option("--tls-key", tls.key, "PEM file: its key");
}

int Fail(const Status& status) {
  std::fprintf(stderr, "bulkhead-controller: %s\n", Message(status).c_str());
  return status.code() == StatusCode::kInvalidArgument ? 2 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Bulkhead's reference controller. Without a command it serves.", "bulkhead-controller");
  app.set_version_flag("--version", kVersion);
  ServeOptions serve;
  app.add_option("--listen", serve.listen, "unix:///path, or host:port; another host's needs TLS")
      ->capture_default_str();
  app.add_option("--state", serve.state, "SQLite file")->capture_default_str();
  app.add_option("--log-level", serve.log_level, "debug, info, warning or error")->capture_default_str();
  AddTls(app, serve.tls);

  ShowOptions show{.address = kDefaultAddress};
  std::string output = "table";
  const auto add_show = [&](const char* name, const char* description) {
    CLI::App* command = app.add_subcommand(name, description);
    command->add_option("--address", show.address, "the controller's")->capture_default_str();
    command->add_option("-o,--output", output, "table or json")->check(CLI::IsMember({"table", "json"}));
    AddTls(*command, show.tls);
    return command;
  };
  CLI::App* usage = add_show("usage", "Usage by tenant, over all nodes");
  usage->add_option("--tenant", show.tenant, "only this one");
  const CLI::App* nodes = add_show("nodes", "Nodes that ever reported");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  show.json = output == "json";
  if (usage->parsed() || nodes->parsed()) {
    const Result<std::string> text = usage->parsed() ? ShowUsage(show) : ShowNodes(show);
    if (!text.ok()) return Fail(text.status());
    std::fputs(text->c_str(), stdout);
    return 0;
  }
  const Status status = Serve(serve);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace bulkhead

int main(int argc, char** argv) { return bulkhead::Main(argc, argv); }
