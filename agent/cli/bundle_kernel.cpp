// What the kernel says of cgroups and pins, for a bundle.
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/cli/bundle_collect.h"

namespace bulkhead::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kTaskDepth = 2;         // below the top cgroup: tenant, task; what tasks make below is their own
constexpr size_t kValueBytes = 8192;  // of one file of a cgroup

std::vector<fs::path> Below(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;  // a cgroup may go while it is looked at
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    found.push_back(entry->path());
  std::sort(found.begin(), found.end());
  return found;
}

// The root and what is below it, level by level.
std::vector<fs::path> CgroupsOf(const fs::path& root) {
  std::vector<fs::path> all = {root};
  size_t level_begin = 0;
  for (int depth = 0; depth < kTaskDepth; ++depth) {
    const size_t level_end = all.size();
    for (size_t i = level_begin; i < level_end && all.size() <= kBundleCgroups; ++i)
      for (const fs::path& path : Below(all[i]))
        if (std::error_code error; fs::is_directory(path, error)) all.push_back(path);
    level_begin = level_end;
  }
  return all;
}

std::string FilesOf(const fs::path& cgroup) {
  std::string text = fmt::format("== {}\n", cgroup.string());
  for (const fs::path& path : Below(cgroup)) {
    const std::string name = path.filename();
    std::error_code error;
    if (!CgroupFileWanted(name) || !fs::is_regular_file(path, error)) continue;
    const auto read = ReadFile(path);
    std::string value = read.ok() ? Trim(*read).substr(0, kValueBytes) : fmt::format("({})", Message(read.status()));
    for (size_t line = value.find('\n'); line != std::string::npos; line = value.find('\n', line + 3))
      value.replace(line, 1, "\n  ");
    text += fmt::format("{}: {}{}\n", name, value.find('\n') == std::string::npos ? "" : "\n  ", value);
  }
  return text;
}

// A pinned object, opened only to look.
UniqueFd OpenPin(const std::string& path) {
  bpf_attr attr{};
  attr.pathname = reinterpret_cast<uint64_t>(path.c_str());
  attr.file_flags = BPF_F_RDONLY;
  const auto get = [&attr] { return static_cast<int>(::syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr))); };
  int fd = get();
  if (fd < 0 && errno == EINVAL) {
    attr.file_flags = 0;  // a link cannot be had read-only
    fd = get();
  }
  return UniqueFd(fd);
}

std::string PinLine(const fs::path& path) {
  const UniqueFd fd = OpenPin(path);
  if (!fd.valid()) return fmt::format("{}: {}\n", path.string(), Message(Errno(errno, "open the pin")));
  const auto info = ReadFile(fmt::format("/proc/self/fdinfo/{}", fd.get()));
  std::string line = path.string() + ":";
  std::string text = info.ok() ? *info : Message(info.status());
  for (char& c : text)
    if (c == '\t' || c == '\n') c = ' ';
  return line + " " + Trim(text) + "\n";
}

}  // namespace

Result<Collected> ReadCgroups(const FromCgroups& from, Collector::Time deadline) {
  Collected all;
  std::string tried;
  for (const std::string& hierarchy : from.hierarchies) {
    const auto root = std::find_if(from.roots.begin(), from.roots.end(), [&](const std::string& one) {
      std::error_code error;
      return fs::is_directory(fs::path(hierarchy) / one, error);
    });
    if (root == from.roots.end()) {
      tried += (tried.empty() ? "" : ", ") + hierarchy;
      continue;
    }
    const std::vector<fs::path> cgroups = CgroupsOf(fs::path(hierarchy) / *root);
    for (size_t i = 0; i < cgroups.size(); ++i) {
      if (i == kBundleCgroups) all.more = fmt::format("more than {} cgroups in {}", kBundleCgroups, hierarchy);
      if (all.text.size() > kBundleFileBytes) break;  // Bundle says so
      if (std::chrono::steady_clock::now() >= deadline) all.more = "time was over";
      if (!all.more.empty()) break;
      all.text += FilesOf(cgroups[i]);
    }
  }
  if (!all.text.empty()) return all;
  return NotFound(fmt::format("there is no cgroup of Bulkhead ({}) in {}", from.roots.empty() ? "" : from.roots.front(),
                              tried.empty() ? "any mount" : tried));
}

Result<Collected> ReadPins(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> pins;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (!entry->is_directory(error)) pins.push_back(entry->path());
  if (error) return Errno(error.value(), "list " + folder);
  std::sort(pins.begin(), pins.end());
  Collected all;
  for (const fs::path& pin : pins) {
    if (all.text.size() > kBundleFileBytes) break;  // Bundle says so
    all.text += PinLine(pin);
  }
  return all;
}

}  // namespace bulkhead::cli
