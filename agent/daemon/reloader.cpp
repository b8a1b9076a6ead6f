#include "agent/daemon/reloader.h"

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/base/log.h"
#include "agent/daemon/startup.h"
#include "agent/manifest/agent_config.h"
#include "agent/manifest/manifest.h"
#include "agent/rpc/convert.h"

namespace bulkhead {
namespace {

constexpr size_t kWaiting = 16;  // reloads

// Every object of a folder; a folder that is missing has none.
Result<std::vector<ObjectSpec>> LoadSpecs(const std::string& folder) {
  std::error_code ignored;  // a folder that cannot be looked at is found again by the reader
  if (!std::filesystem::exists(folder, ignored) && !ignored) return std::vector<ObjectSpec>{};
  BULKHEAD_ASSIGN(const std::vector<ParsedObject> parsed, LoadObjects({folder}));
  std::vector<ObjectSpec> specs;
  for (const ParsedObject& object : parsed) {
    auto spec = DecodeObject(object.object);
    if (!spec.ok()) return Annotate(spec.status(), fmt::format("{}:{}", object.file, object.line));
    specs.push_back(*std::move(spec));
  }
  return specs;
}

// The fields that come into force; an error that names all others.
Result<std::vector<std::string>> ChangedFields(const AgentConfig& running, const AgentConfig& next) {
  std::vector<std::string> changed;
  std::vector<std::string> fixed;
  for (const ConfigChange& change : ConfigChanges(running, next))
    (change.reload ? changed : fixed).push_back(change.field);
  if (fixed.empty()) return changed;
  return FailedPrecondition(
      fmt::format("{}: a new value needs a restart: systemctl restart bulkheadd, or put back the "
                  "value that is in force",
                  fmt::join(fixed, ", ")));
}

// What the kernel refused; ok when nothing was.
Status Refusals(const std::vector<ObjectResult>& objects) {
  size_t refused = 0;
  const ObjectResult* first = nullptr;
  for (const ObjectResult& object : objects) {
    if (object.outcome != Outcome::kRefused) continue;
    if (refused++ == 0) first = &object;
  }
  if (refused == 0) return Ok();
  return Annotate(first->error,
                  fmt::format("{} of {} objects refused: {} {}", refused, objects.size(), first->kind, first->name));
}

}  // namespace

Result<std::unique_ptr<Reloader>> Reloader::Start(Parts parts) {
  std::unique_ptr<Reloader> reloader(new Reloader(std::move(parts)));
  BULKHEAD_ASSIGN(reloader->files_, EventLoop::Create(kWaiting));
  sigset_t all;  // signals are the core loop's
  sigset_t before;
  sigfillset(&all);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &all, &before); error != 0) return Errno(error, "block signals");
  reloader->thread_ = std::thread([loop = reloader->files_.get()] {
    if (const Status ran = loop->Run(); !ran.ok()) log::Error("no longer reading files", {{"why", ran}});
  });
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);  // puts back what was just read
  return reloader;
}

void Reloader::Stop() {
  if (!files_) return;
  files_->Stop();
  if (thread_.joinable()) thread_.join();
  files_->Close();
}

void Reloader::Begin() {
  const Status metrics = parts_.config.OpenMetrics();
  const Result<ReloadReport> manifests = ApplyManifests();
  Finish(manifests.ok() && !metrics.ok() ? Result<ReloadReport>(metrics) : manifests);
  if (!manifests.ok() && !metrics.ok()) log::Error("no metrics", {{"why", metrics}});
}

Result<ReloadReport> Reloader::ApplyManifests() {
  BULKHEAD_ASSIGN(const auto specs, LoadSpecs(parts_.config.running().manifests_path));
  BULKHEAD_ASSIGN(auto objects, parts_.engine.Apply(specs, {.manifests = true}));
  return ReloadReport{{}, std::move(objects)};
}

void Reloader::Request(const ReloadDone& done) {
  NotifyReloading();
  const Status posted = files_->Post([this, done, folder = parts_.config.running().manifests_path] {
    auto files = std::make_shared<Result<Files>>(Read(folder));
    const Status back = parts_.core.Post([this, files, done] {
      const Result<ReloadReport> report = files->ok() ? Take(**files) : files->status();
      Finish(report);
      NotifyReady(state_.error);
      done(report);
    });
    if (!back.ok()) GiveUp(back, done);
  });
  if (!posted.ok()) GiveUp(posted, done);
}

// Any thread: nothing was read, or nobody could take it.
void Reloader::GiveUp(const Status& why, const ReloadDone& done) {
  log::Error("reload given up: nothing has changed", {{"why", why}});
  NotifyReady(why);
  done(why);
}

Result<Reloader::Files> Reloader::Read(const std::string& folder) const {
  Files files;
  BULKHEAD_ASSIGN(files.config, parts_.read_config());
  BULKHEAD_ASSIGN(files.specs, LoadSpecs(folder));
  return files;
}

Result<ReloadReport> Reloader::Take(const Files& files) {
  ReloadReport report;
  BULKHEAD_ASSIGN(report.changed_fields, ChangedFields(parts_.config.running(), files.config));
  BULKHEAD_ASSIGN(const LiveConfig::Commit commit, parts_.config.Prepare(files.config));
  BULKHEAD_ASSIGN(report.objects, parts_.engine.Apply(files.specs, {.manifests = true}));
  commit();
  return report;
}

void Reloader::Finish(const Result<ReloadReport>& report) {
  state_.time = parts_.clock.Wall();
  state_.error = report.ok() ? Refusals(report->objects) : report.status();
  if (!state_.error.ok()) {
    log::Error("configuration and manifests are not in force as written", {{"why", state_.error}});
    parts_.events.Add("refused", "", "configuration and manifests: " + Message(state_.error));
    return;
  }
  state_.success = state_.time;
  const auto changed = std::count_if(report->objects.begin(), report->objects.end(),
                                     [](const ObjectResult& object) { return object.outcome != Outcome::kUnchanged; });
  parts_.events.Add(
      "loaded", "",
      fmt::format(
          "{} objects of manifests, {} of them changed; configuration changed in: {}", report->objects.size(), changed,
          report->changed_fields.empty() ? "nothing" : fmt::format("{}", fmt::join(report->changed_fields, ", "))));
}

}  // namespace bulkhead
