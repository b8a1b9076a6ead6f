#include <CLI/CLI.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/base/host.h"
#include "agent/base/version.h"
#include "agent/cli/archive.h"
#include "agent/cli/bundle_collect.h"
#include "agent/cli/diagnose.h"
#include "agent/cli/render.h"

namespace bulkhead::cli {
namespace {

struct Arguments {
  std::string file;
  std::string config;
  bool replace = false;
};

// One line that is written over, on a terminal only.
class Progress {
 public:
  explicit Progress(const Cli& cli) : cli_(cli), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~Progress() { Say(""); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void Say(const std::string& what) {
    if (shown_) cli_.err << "\r\x1b[K" << what << std::flush;
  }

 private:
  const Cli& cli_;
  bool shown_;
};

// Found out before a minute's work, not after it.
Status CheckTarget(const std::filesystem::path& file, bool replace) {
  std::error_code error;
  const std::string folder = file.has_parent_path() ? file.parent_path().string() : ".";
  if (std::filesystem::is_directory(file, error))
    return InvalidArgument(fmt::format("debug bundle: {} is a folder: name a file in it", file.string()));
  if (!replace && std::filesystem::exists(std::filesystem::symlink_status(file, error)))
    return AlreadyExists(
        fmt::format("debug bundle: {} is there already: name another file, or add --force", file.string()));
  const Status writable = CheckWritable(folder);
  if (writable.ok()) return writable;
  return FailedPrecondition(
      fmt::format("debug bundle: write to {}: {}: name a file elsewhere with -o", folder, Message(writable)));
}

void Report(const Cli& cli, const std::string& file, size_t size, const Bundle& bundle) {
  const size_t missing = bundle.missing();
  cli.out << fmt::format("{}: {}, {} files\n", file, Bytes(size), bundle.entries().size() - missing + 1);
  for (const Bundle::Entry& entry : bundle.entries()) {
    if (entry.missing) continue;
    cli.out << fmt::format("  {:<30}  {:>10}  {}\n", entry.name, Bytes(entry.bytes), entry.about);
    if (!entry.note.empty())
      cli.out << Paint(fmt::format("  {:<30}  not whole: {}\n", "", entry.note), Color::kWarn, cli.color);
  }
  if (missing > 0) cli.out << "Missing:\n";
  constexpr size_t kIndent = 34;
  for (const Bundle::Entry& entry : bundle.entries())
    if (entry.missing)
      cli.out << fmt::format("  {:<30}  {}\n", entry.name,
                             Paint(Wrap(entry.note, kIndent, Table::kWidth), Color::kWarn, cli.color));
  cli.out << "It names tenants, tasks and paths of this host, and no secrets. MANIFEST in it lists the same.\n";
}

Result<int> Make(const Cli& cli, const Arguments& arguments) {
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::tm utc = fmt::gmtime(now);
  const std::string top = fmt::format("bulkhead-debug-{}-{:%Y%m%dT%H%M%SZ}", HostName(), utc);
  const std::string file = arguments.file.empty() ? top + ".tar.gz" : arguments.file;
  BULKHEAD_RETURN_IF_ERROR(CheckTarget(file, arguments.replace));

  Bundle bundle;
  {
    Progress progress(cli);
    const auto deadline = std::chrono::steady_clock::now() + kBundleTime;
    progress.Say("looking the host over");
    Cli patient = cli;
    patient.timeout = std::min(cli.timeout, kBundleStep);
    const Diagnosis diagnosis = DiagnoseHost(patient, arguments.config);
    const std::vector<BundleItem> items = BundleItems(diagnosis.host, diagnosis.agent, diagnosis.all);
    Collector collector(diagnosis.client.get(), deadline);
    for (size_t i = 0; i < items.size(); ++i) {
      progress.Say(fmt::format("{} of {}: {}", i + 1, items.size(), items[i].name));
      const Result<Collected> collected = collector.Collect(items[i]);
      bundle.Add(items[i], collected.ok() ? Result<std::string>(collected->text) : collected.status(),
                 collected.ok() ? collected->more : "");
    }
  }
  const Bundle report = bundle;
  const std::string title =
      fmt::format("Bulkhead debug bundle of {}, {:%Y-%m-%dT%H:%M:%SZ}, by bulkheadctl {} as user {}\n", HostName(), utc,
                  kVersion, ::geteuid());
  BULKHEAD_ASSIGN(const size_t size, WriteArchive(file, arguments.replace, top, std::move(bundle).Finish(title)));
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(file, error);
  Report(cli, error ? file : absolute.string(), size, report);
  return kDone;
}

}  // namespace

void AddDebug(CLI::App& app, Cli& cli) {
  CLI::App* noun = AddNoun(app, "debug", "Help in trouble");
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = AddVerb(
      *noun, cli, "bundle",
      "One archive for a ticket: what doctor finds, state, kernel, units and logs, without secrets; "
      "also without an agent. Says what is missing, and why",
      "sudo bulkheadctl debug bundle -o /tmp/ticket-4711.tar.gz", [&cli, arguments] { return Make(cli, *arguments); });
  verb->add_option("-o,--file", arguments->file, "Where to write it; default: a new file in this folder")
      ->type_name("FILE");
  verb->add_flag("--force", arguments->replace, "Write over a file that is there");
  verb->add_option("--config", arguments->config,
                   "The agent's configuration; default: the one that it was started with")
      ->type_name("FILE");
}

}  // namespace bulkhead::cli
