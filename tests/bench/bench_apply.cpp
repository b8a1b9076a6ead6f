// What CgroupTree costs beside the same system calls made by hand, in the same hierarchies and the same run:
//   create: a tenant and a task with six limits each;  change: the six limits of a live task, on held descriptors.
// CgroupTree reads every write back. "raw" does not, "raw_read_back" does: the ratio to the first is the price of
// knowing, the ratio to the second is our own overhead. The variants alternate, so that drift of the machine hits all
// alike.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/bench/bench.h"
#include "tests/kernel/scratch_tree.h"

namespace bulkhead::bench {
namespace {

constexpr int kRounds = 400;
const Limits kLow{{LimitKind::kCpuMax, 50'000},       {LimitKind::kCpuBurst, 20'000},      {LimitKind::kCpuWeight, 200},
                  {LimitKind::kMemoryMax, 64u << 20}, {LimitKind::kMemoryHigh, 60u << 20}, {LimitKind::kPidsMax, 64}};
const Limits kHigh{{LimitKind::kCpuMax, 80'000},        {LimitKind::kCpuBurst, 40'000},
                   {LimitKind::kCpuWeight, 300},        {LimitKind::kMemoryMax, 96u << 20},
                   {LimitKind::kMemoryHigh, 90u << 20}, {LimitKind::kPidsMax, 96}};

void Check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

void Check(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "{}\n", Message(status));
  std::exit(1);
}

struct RawWrite {
  int dir = -1;      // the hierarchy's top
  std::string file;  // relative to it
  std::string low;
  std::string high;
};

// The writes that the limits take, in an order that works for raising memory; by hand in both cgroup versions.
std::vector<RawWrite> WritesFor(const CgroupMounts& mounts, const std::string& cgroup) {
  std::vector<RawWrite> writes;
  for (const auto& [id, low] : kLow) {
    const CgroupHierarchy& carrier = *mounts.Carrier(ControllerOf(id.kind));
    const LimitFile file = LimitFileOf(id.kind, carrier.v2);
    RawWrite write{.dir = carrier.top.get(),
                   .file = cgroup + "/" + file.value,
                   .low = *LimitToText(id, file, low),
                   .high = *LimitToText(id, file, kHigh.Get(id))};
    writes.push_back(write);
    if (id.kind != LimitKind::kMemoryMax || file.companion == nullptr) continue;
    write.file = cgroup + "/" + file.companion;
    // The top has no limit files in v2 and the same as below in v1.
    if (::faccessat(write.dir, file.companion, F_OK, 0) == 0) writes.push_back(write);
  }
  return writes;
}

void WriteFd(int fd, const std::string& text, bool read_back) {
  Check(::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()), text.c_str());
  char buffer[64];
  if (read_back) Check(::pread(fd, buffer, sizeof(buffer), 0) > 0, "read back");
}

void RawCreate(const CgroupMounts& mounts, const std::string& cgroup, bool is_tenant, bool read_back,
               const std::vector<RawWrite>& writes) {
  for (const CgroupHierarchy& hierarchy : mounts.all())
    Check(::mkdirat(hierarchy.top.get(), cgroup.c_str(), 0755) == 0, "mkdir");
  const CgroupHierarchy& unified = mounts.unified();
  if (is_tenant && !unified.controllers.empty()) {
    const UniqueFd fd(::openat(unified.top.get(), (cgroup + "/cgroup.subtree_control").c_str(), O_WRONLY | O_CLOEXEC));
    std::string words;
    for (const Controller controller : unified.controllers)
      words += fmt::format("{}+{}", words.empty() ? "" : " ", ControllerName(controller, true));
    WriteFd(fd.get(), words, false);
  }
  for (const RawWrite& write : writes) {
    const UniqueFd fd(::openat(write.dir, write.file.c_str(), (read_back ? O_RDWR : O_WRONLY) | O_CLOEXEC));
    WriteFd(fd.get(), write.low, read_back);
  }
}

void RawRemove(const CgroupMounts& mounts, const std::string& cgroup) {
  for (const CgroupHierarchy& hierarchy : mounts.all())
    Check(::unlinkat(hierarchy.top.get(), cgroup.c_str(), AT_REMOVEDIR) == 0, "rmdir");
}

void SetAll(LibcgroupTree& tree, const CgroupPath& path, const Limits& limits) {
  for (const auto& [id, value] : limits) Check(tree.SetLimit(path, id, value).status());
}

Json Compare(const std::vector<double>& ours, const std::vector<double>& raw, const std::vector<double>& read_back) {
  return Json()
      .Add("tree_us", Median(ours))
      .Add("raw_us", Median(raw))
      .Add("raw_read_back_us", Median(read_back))
      .Add("ratio_to_raw", Median(ours) / Median(raw))
      .Add("ratio_to_raw_read_back", Median(ours) / Median(read_back));
}

Json BenchCreate(test::ScratchTree& scratch) {
  LibcgroupTree& tree = scratch.tree();
  const CgroupPath tenant{"acme"};
  const CgroupPath task{"acme/web"};
  const std::string raw_tenant = tree.Relative(tenant);
  const std::string raw_task = tree.Relative(task);
  const auto tenant_writes = WritesFor(tree.mounts(), raw_tenant);
  const auto task_writes = WritesFor(tree.mounts(), raw_task);
  // On a host in use some quota is always set; the first one makes the kernel patch its scheduler.
  const CgroupPath other{"other"};
  Check(tree.Create(other));
  SetAll(tree, other, kLow);
  std::vector<double> ours, raw, read_back, make_tenant, make_task;
  const auto by_tree = [&] {
    double tenant_usec = 0;
    double task_usec = 0;
    ours.push_back(TimeUsec([&] {
      tenant_usec = TimeUsec([&] { Check(tree.Create(tenant)); });
      SetAll(tree, tenant, kLow);
      task_usec = TimeUsec([&] { Check(tree.Create(task)); });
      SetAll(tree, task, kLow);
    }));
    make_tenant.push_back(tenant_usec);
    make_task.push_back(task_usec);
    Check(tree.Remove(tenant));
  };
  const auto by_hand = [&](bool with_read) {
    (with_read ? read_back : raw).push_back(TimeUsec([&] {
      RawCreate(tree.mounts(), raw_tenant, true, with_read, tenant_writes);
      RawCreate(tree.mounts(), raw_task, false, with_read, task_writes);
    }));
    RawRemove(tree.mounts(), raw_task);
    RawRemove(tree.mounts(), raw_tenant);
  };
  for (int round = 0; round < kRounds; ++round) {
    // The kernel frees cgroups after the fact, at the expense of whoever comes next: everyone comes first in turn.
    for (int turn = 0; turn < 3; ++turn) {
      const int variant = (round + turn) % 3;
      if (variant == 0) by_tree();
      if (variant == 1) by_hand(false);
      if (variant == 2) by_hand(true);
    }
  }
  return Compare(ours, raw, read_back)
      .Add("of_which_tenant_directories_us", Median(make_tenant))
      .Add("of_which_task_directories_us", Median(make_task));
}

Json BenchChange(test::ScratchTree& scratch) {
  LibcgroupTree& tree = scratch.tree();
  const CgroupPath tenant{"acme"};
  const CgroupPath ours_task{"acme/web"};
  const CgroupPath raw_task{"acme/raw"};
  for (const CgroupPath& path : {tenant, ours_task, raw_task}) Check(tree.Create(path));
  std::vector<RawWrite> up = WritesFor(tree.mounts(), tree.Relative(raw_task));
  std::vector<UniqueFd> fds;
  for (const RawWrite& write : up) fds.emplace_back(::openat(write.dir, write.file.c_str(), O_RDWR | O_CLOEXEC));
  // v1: memory is lowered limit first and raised memsw first, so down is the order above and up is the reverse.
  const auto raw_change = [&](bool high, bool with_read) {
    for (size_t i = 0; i < up.size(); ++i) {
      const size_t at = high ? up.size() - 1 - i : i;
      WriteFd(fds[at].get(), high ? up[at].high : up[at].low, with_read);
    }
  };
  raw_change(false, false);
  SetAll(tree, ours_task, kLow);
  std::vector<double> ours, raw, read_back;
  for (int round = 0; round < kRounds; ++round) {
    const bool high = round % 2 == 0;
    ours.push_back(TimeUsec([&] { SetAll(tree, ours_task, high ? kHigh : kLow); }));
    raw.push_back(TimeUsec([&] { raw_change(high, false); }));
    raw_change(!high, false);
    read_back.push_back(TimeUsec([&] { raw_change(high, true); }));
  }
  return Compare(ours, raw, read_back);
}

}  // namespace
}  // namespace bulkhead::bench

int main(int argc, char** argv) {
  using namespace bulkhead;
  auto scratch = test::ScratchTree::Create();
  if (!scratch.ok()) {
    fmt::print(stderr, "bench apply: {}\n", Message(scratch.status()));
    return 1;
  }
  bench::Json result;
  result.Add("bench", "apply")
      .Add("mode", (*scratch)->tree().mode())
      .Add("rounds", bench::kRounds)
      .Add("target_ratio", 2)
      .Add("create_tenant_and_task", bench::BenchCreate(**scratch))
      .Add("change_task", bench::BenchChange(**scratch));
  return bench::Report(argc, argv, result);
}
