#include "agent/kernel/cgroup_meter.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

constexpr uint64_t kNsPerUsec = 1000;

// cpu.stat is the longest of the files: some 300 bytes. kernfs gives a file whole in one read.
using StatBuffer = std::array<char, 2048>;

Result<std::string_view> ReadStat(int fd, StatBuffer& buffer) {
  const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), 0);
  if (n >= 0) return std::string_view(buffer.data(), static_cast<size_t>(n));
  if (errno == ENODEV) return NotFound("the cgroup was removed");
  return Errno(errno, "read counters");
}

Status ReadFields(const UniqueFd& fd, std::initializer_list<std::pair<const char*, uint64_t*>> fields) {
  if (!fd.valid()) return Ok();
  StatBuffer buffer;
  BULKHEAD_ASSIGN(const std::string_view text, ReadStat(fd.get(), buffer));
  for (const auto& [key, value] : fields) *value = StatField(text, key).value_or(0);
  return Ok();
}

Status ReadNumber(const UniqueFd& fd, uint64_t& value) {
  if (!fd.valid()) return Ok();
  StatBuffer buffer;
  BULKHEAD_ASSIGN(const std::string_view text, ReadStat(fd.get(), buffer));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  (void)end;  // a newline follows
  if (error != std::errc()) return Internal(fmt::format("\"{}\" is not a number", text));
  return Ok();
}

}  // namespace

Result<CgroupMeter> CgroupMeter::Open(const LibcgroupTree& tree, const CgroupPath& path) {
  const std::string cgroup = tree.Relative(path);
  const auto open = [&](const CgroupHierarchy* hierarchy, const char* file, UniqueFd& fd) -> Status {
    if (hierarchy == nullptr) return Ok();
    auto opened = OpenAt(hierarchy->top.get(), fmt::format("{}/{}", cgroup, file), O_RDONLY);
    if (opened.ok()) fd = *std::move(opened);
    return opened.ok() || ErrnoOf(opened.status()) == ENOENT ? Ok() : opened.status();
  };
  const CgroupMounts& mounts = tree.mounts();
  const CgroupHierarchy* cpu = mounts.Carrier(Controller::kCpu);
  const CgroupHierarchy* memory = mounts.Carrier(Controller::kMemory);
  const CgroupHierarchy* pids = mounts.Carrier(Controller::kPids);
  CgroupMeter meter;
  meter.cpu_v2_ = cpu == nullptr || cpu->v2;
  meter.memory_v2_ = memory == nullptr || memory->v2;
  BULKHEAD_RETURN_IF_ERROR(open(&mounts.unified(), "cpu.stat", meter.cpu_time_));
  if (!meter.cpu_time_.valid()) return NotFound(fmt::format("{}: no such cgroup", path.value));
  if (!meter.cpu_v2_) BULKHEAD_RETURN_IF_ERROR(open(cpu, "cpu.stat", meter.cpu_throttle_));
  const bool v2 = meter.memory_v2_;
  BULKHEAD_RETURN_IF_ERROR(open(memory, v2 ? "memory.current" : "memory.usage_in_bytes", meter.memory_now_));
  BULKHEAD_RETURN_IF_ERROR(open(memory, v2 ? "memory.peak" : "memory.max_usage_in_bytes", meter.memory_peak_));
  BULKHEAD_RETURN_IF_ERROR(open(memory, v2 ? "memory.events" : "memory.oom_control", meter.memory_events_));
  BULKHEAD_RETURN_IF_ERROR(open(pids, "pids.current", meter.pids_now_));
  BULKHEAD_RETURN_IF_ERROR(open(pids, "pids.events", meter.pids_events_));
  return meter;
}

Result<UsageReading> CgroupMeter::Read(BootTime now) const {
  UsageReading reading{.at = now};
  uint64_t usage_usec = 0;
  uint64_t throttled = 0;  // microseconds on v2, nanoseconds on v1
  if (cpu_v2_) {
    BULKHEAD_RETURN_IF_ERROR(ReadFields(
        cpu_time_,
        {{"usage_usec", &usage_usec}, {"nr_throttled", &reading.throttled_periods}, {"throttled_usec", &throttled}}));
    reading.throttled_ns = throttled * kNsPerUsec;
  } else {
    BULKHEAD_RETURN_IF_ERROR(ReadFields(cpu_time_, {{"usage_usec", &usage_usec}}));
    BULKHEAD_RETURN_IF_ERROR(
        ReadFields(cpu_throttle_, {{"nr_throttled", &reading.throttled_periods}, {"throttled_time", &throttled}}));
    reading.throttled_ns = throttled;
  }
  reading.cpu_ns = usage_usec * kNsPerUsec;
  BULKHEAD_RETURN_IF_ERROR(ReadNumber(memory_now_, reading.memory_bytes));
  BULKHEAD_RETURN_IF_ERROR(ReadNumber(memory_peak_, reading.memory_peak_bytes));
  BULKHEAD_RETURN_IF_ERROR(ReadFields(memory_events_, {{"oom_kill", &reading.oom_kills}}));
  BULKHEAD_RETURN_IF_ERROR(ReadNumber(pids_now_, reading.pids));
  BULKHEAD_RETURN_IF_ERROR(ReadFields(pids_events_, {{"max", &reading.pids_failures}}));
  return reading;
}

}  // namespace bulkhead
