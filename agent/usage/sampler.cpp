#include "agent/usage/sampler.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/base/log.h"
#include "agent/usage/counters.h"

namespace bulkhead {
namespace {

__extension__ using Wide = unsigned __int128;  // byte·nanoseconds pass 2^64 within seconds
constexpr uint64_t kSecond = 1'000'000'000;

bool Same(const UsageRecord& record, const LiveTask& task) {
  return record.task_uid == task.uid && record.cgroup_id == task.cgroup_id;
}

// The kernel's side of a stored record, to tell growth from a new start.
UsageReading KernelOf(const UsageRecord& record) {
  UsageReading kernel = record.totals.counters;
  ForEachCounter(kernel, record.carried, [](uint64_t& total, uint64_t carried) { total -= std::min(total, carried); });
  return kernel;
}

void Add(UsageReading& to, const UsageReading& what) {
  ForEachCounter(to, what, [](uint64_t& sum, uint64_t value) { sum += value; });
}

}  // namespace

Sampler::Sampler(UsageSource& source, Ledger& ledger, const Clock& clock, std::string boot_id)
    : source_(source), ledger_(ledger), clock_(clock), boot_id_(std::move(boot_id)) {}

Status Sampler::Recover() {
  BULKHEAD_ASSIGN(std::vector<UsageRecord> open, ledger_.OpenStreams());
  for (UsageRecord& record : open) {
    const TaskId task = record.task;
    Stream stream{.record = record, .kernel = KernelOf(record), .read = true, .stored = record};
    stream.record.first = stream.record.estimated = false;
    if (const auto older = streams_.find(task); older != streams_.end()) {
      if (KeyOf(older->second.record) == KeyOf(record)) continue;  // by a Final before this, and newer
      End(task);
      streams_.erase(older);
    }
    streams_.emplace(task, std::move(stream));
  }
  return Ok();
}

Status Sampler::Tick(const std::vector<LiveTask>& tasks) {
  Status result;
  std::set<TaskId> live;
  std::vector<Stream*> due;
  for (const LiveTask& task : tasks) {
    live.insert(task.id);
    if (Status status = Find(task); !status.ok()) {
      result = status;
      continue;
    }
    Stream& stream = streams_.at(task.id);
    Read(stream, task);
    if (Due(stream)) due.push_back(&stream);
  }
  for (auto at = streams_.begin(); at != streams_.end();) {
    if (live.contains(at->first)) {
      ++at;
      continue;
    }
    End(at->first);
    at = streams_.erase(at);
  }
  for (Stream& stream : ending_) due.push_back(&stream);
  BULKHEAD_RETURN_IF_ERROR(Store(due));
  ending_.clear();
  return result;
}

Status Sampler::Final(const LiveTask& task) {
  BULKHEAD_RETURN_IF_ERROR(Find(task));
  Stream& stream = streams_.at(task.id);
  Read(stream, task);
  stream.ended = stream.readable.ok();
  if (!stream.read) {  // the record then says that the task was there
    stream.record.end_boot = clock_.Boot();
    stream.record.end_wall = clock_.Wall();
    stream.read = true;
  }
  std::vector<Stream*> due;
  for (Stream& ending : ending_) due.push_back(&ending);
  due.push_back(&stream);
  stream.record.final = true;
  stream.record.estimated = !stream.ended;
  if (Status status = Store(due); !status.ok()) {
    stream.record.final = stream.record.estimated = false;
    return status;
  }
  ending_.clear();
  source_.Forget(PathOf(task.id));
  streams_.erase(task.id);
  return Ok();
}

const UsageTotals* Sampler::Latest(const TaskId& task) const {
  const auto found = streams_.find(task);
  return found != streams_.end() && found->second.read ? &found->second.record.totals : nullptr;
}

// Makes sure that the stream of this very task is in streams_, and not one of a namesake before it.
Status Sampler::Find(const LiveTask& task) {
  const auto known = streams_.find(task.id);
  if (known != streams_.end() && Same(known->second.record, task)) return Ok();
  // An ended stream whose record waits for the ledger, and whose task is back: a removal that failed.
  const auto ended =
      std::find_if(ending_.begin(), ending_.end(), [&](const Stream& stream) { return Same(stream.record, task); });
  std::optional<Stream> stream;
  if (ended != ending_.end()) {
    stream = std::move(*ended);
    stream->record.final = stream->record.estimated = false;
    ending_.erase(ended);
  } else {
    BULKHEAD_ASSIGN(stream, Begin(task));
  }
  if (known != streams_.end()) {
    End(task.id);
    streams_.erase(known);
  }
  streams_.emplace(task.id, std::move(*stream));
  return Ok();
}

Result<Sampler::Stream> Sampler::Begin(const LiveTask& task) {
  BULKHEAD_ASSIGN(const std::optional<UsageRecord> stored, ledger_.Newest({boot_id_, task.uid, task.cgroup_id}));
  if (stored) {
    Stream stream{.record = *stored, .kernel = KernelOf(*stored), .read = true, .stored = stored};
    stream.record.first = stream.record.final = stream.record.estimated = false;
    return stream;
  }
  Stream stream;
  stream.record = UsageRecord{.boot_id = boot_id_,
                              .task = task.id,
                              .task_uid = task.uid,
                              .cgroup_id = task.cgroup_id,
                              .start_wall = clock_.Wall(),
                              .start_boot = clock_.Boot(),
                              .first = true,
                              .slot = task.slot};
  return stream;
}

void Sampler::Read(Stream& stream, const LiveTask& task) {
  stream.ended = false;
  const CgroupPath path = PathOf(task.id);
  if (stream.record.slot != task.slot) {  // other counters from here on
    source_.Forget(path);
    UsageReading gone;
    gone.network = std::exchange(stream.kernel.network, {});
    Add(stream.record.carried, gone);
    stream.record.slot = task.slot;
  }
  stream.readable = source_.Track(path, task.slot);
  Result<UsageReading> reading = stream.readable.ok() ? source_.Read(path) : stream.readable;
  stream.readable = reading.status();
  if (!reading.ok()) {
    source_.Forget(path);  // the descriptors may be those of a cgroup that was there before
    if (!stream.complaining)
      log::Warning("usage of a task cannot be read, its last values stand",
                   {{"task", task.id.ToString()}, {"error", reading.status()}});
    stream.complaining = true;
    return;
  }
  stream.complaining = false;
  Integrate(stream, *reading);
}

void Sampler::Integrate(Stream& stream, const UsageReading& reading) {
  UsageRecord& record = stream.record;
  if (stream.read && reading.at > stream.kernel.at) {
    const auto elapsed = static_cast<uint64_t>((reading.at - stream.kernel.at).count());
    const Wide twice = (static_cast<Wide>(stream.kernel.memory_bytes) + reading.memory_bytes) * elapsed;
    const Wide area = twice / 2 + stream.memory_remainder;
    record.totals.memory_byte_seconds += static_cast<uint64_t>(area / kSecond);
    stream.memory_remainder = static_cast<uint64_t>(area % kSecond);
  }
  UsageReading gone = stream.kernel;
  ForEachCounter(gone, reading, [](uint64_t& before, uint64_t now) { before = now < before ? before : 0; });
  Add(record.carried, gone);
  record.totals.counters = reading;
  Add(record.totals.counters, record.carried);
  record.end_boot = reading.at;
  record.end_wall = clock_.Wall();
  stream.kernel = reading;
  stream.read = true;
}

bool Sampler::Due(const Stream& stream) const {
  if (!stream.read || !stream.readable.ok()) return false;
  if (!stream.stored || stream.stored->final) return true;
  return !SameCounters(stream.stored->totals.counters, stream.record.totals.counters) ||
         !SameCounters(stream.stored->carried, stream.record.carried) ||
         stream.record.end_boot - stream.stored->end_boot >= kIdleRecord;
}

Status Sampler::Store(const std::vector<Stream*>& streams) {
  std::vector<UsageRecord> records;
  records.reserve(streams.size());
  for (const Stream* stream : streams) records.push_back(stream->record);
  BULKHEAD_RETURN_IF_ERROR(ledger_.Append(records));
  for (size_t i = 0; i < streams.size(); ++i) {
    streams[i]->record.first = false;
    streams[i]->stored = std::move(records[i]);
  }
  return Ok();
}

// Moves the stream to ending_; the caller erases what is left of it.
void Sampler::End(const TaskId& task) {
  source_.Forget(PathOf(task));
  Stream& stream = streams_.at(task);
  if (!stream.read) return;  // nothing is known of it
  stream.record.final = true;
  stream.record.estimated = !stream.ended;
  ending_.push_back(std::move(stream));
}

}  // namespace bulkhead
