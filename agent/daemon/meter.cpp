#include "agent/daemon/meter.h"

#include "agent/base/log.h"

namespace bulkhead {

Result<UsageReading> TenantMeter::Read(const TenantId& tenant) {
  const CgroupPath path = PathOf(tenant);
  BULKHEAD_RETURN_IF_ERROR(source_.Track(path, std::nullopt));
  tracked_.insert(tenant);
  auto reading = source_.Read(path);
  if (reading.ok()) return reading;
  source_.Forget(path);  // removed, and perhaps made anew: open it again
  BULKHEAD_RETURN_IF_ERROR(source_.Track(path, std::nullopt));
  return source_.Read(path);
}

void TenantMeter::Keep(const std::map<TenantId, TenantSpec>& tenants) {
  for (auto at = tracked_.begin(); at != tracked_.end();) {
    if (tenants.contains(*at)) {
      ++at;
    } else {
      source_.Forget(PathOf(*at));
      at = tracked_.erase(at);
    }
  }
}

Meter::Meter(Parts parts)
    : parts_(std::move(parts)),
      alerts_([this](const std::string& kind, const std::string& task, const std::string& message) {
        parts_.events.Add(kind, task, message);
      }) {}

Status Meter::Recover() {
  BULKHEAD_RETURN_IF_ERROR(Annotate(parts_.sampler.Recover(), "continue the ledger"));
  for (const LiveTask& task : parts_.engine.LiveTasks())
    if (const UsageTotals* totals = parts_.sampler.Latest(task.id)) alerts_.Begin(task, totals->counters);
  return Ok();
}

void Meter::Round() {
  const Timed timed(parts_.clock, rounds_);
  const std::vector<LiveTask> tasks = parts_.engine.LiveTasks();
  const Status sampled = parts_.sampler.Tick(tasks);
  if (!sampled.ok() && failing_.ok())
    log::Error("usage is not recorded: the next records will carry it", {{"why", sampled}});
  if (sampled.ok() && !failing_.ok()) log::Info("usage is recorded again");
  failing_ = sampled;
  for (const LiveTask& task : tasks)
    if (const UsageTotals* totals = parts_.sampler.Latest(task.id)) alerts_.Observe(task, totals->counters);
  alerts_.Keep(tasks);
  parts_.tenants.Keep(parts_.engine.desired().tenants);
  parts_.recorded();
}

Status Meter::Final(const LiveTask& task) {
  BULKHEAD_RETURN_IF_ERROR(parts_.sampler.Final(task));
  parts_.recorded();
  return Ok();
}

}  // namespace bulkhead
