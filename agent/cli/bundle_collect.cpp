#include "agent/cli/bundle_collect.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/cli/command.h"
#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

constexpr size_t kListed = 1000;  // files of a folder

// The beginning of a file, one byte more than a bundle's file may have, so that Bundle sees that there is more.
Result<std::string> ReadBeginning(const std::string& path) {
  BULKHEAD_ASSIGN(const UniqueFd fd, OpenAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK));
  std::string text;
  std::string buffer(1U << 16U, '\0');
  while (text.size() <= kBundleFileBytes) {
    const ssize_t size = ::read(fd.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Errno(errno, "read " + path);
    if (size == 0) break;
    text.append(buffer, 0, static_cast<size_t>(size));
  }
  return text;
}

std::string Line(const std::filesystem::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return fmt::format("{}\n", Message(Errno(errno, path)));
  const char type = S_ISDIR(status.st_mode)    ? 'd'
                    : S_ISLNK(status.st_mode)  ? 'l'
                    : S_ISSOCK(status.st_mode) ? 's'
                                               : '-';
  return fmt::format("{}{:04o} {:>6} {:>6} {:>12} {:%Y-%m-%dT%H:%M:%SZ} {}\n", type, status.st_mode & 07777U,
                     status.st_uid, status.st_gid, status.st_size, fmt::gmtime(status.st_mtime), path.string());
}

}  // namespace

Result<Collected> Collector::Collect(const BundleItem& item) {
  if (std::chrono::steady_clock::now() >= deadline_)
    return MakeStatus(StatusCode::kDeadlineExceeded, fmt::format("not collected: {} s were over", kBundleTime.count()));
  return std::visit([this](const auto& from) { return Get(from); }, item.source);
}

std::chrono::seconds Collector::Step() const {
  const auto left = std::chrono::ceil<std::chrono::seconds>(deadline_ - std::chrono::steady_clock::now());
  return std::clamp(left, std::chrono::seconds(1), kBundleStep);
}

Result<Collected> Collector::Get(const FromText& from) { return Collected{from.text, ""}; }

Result<Collected> Collector::Get(const FromNowhere& from) { return FailedPrecondition(from.why); }

Result<Collected> Collector::Get(const FromFile& from) {
  BULKHEAD_ASSIGN(std::string text, ReadBeginning(from.path));
  return Collected{std::move(text), ""};
}

// Four times what a file takes, of which Bundle keeps the end of a log.
Result<Collected> Collector::Get(const FromCommand& from) {
  BULKHEAD_ASSIGN(const CommandOutput output, RunCommand(from.command, Step(), 4 * kBundleFileBytes));
  if (output.code != 0)
    return FailedPrecondition(
        fmt::format("{}: exit code {}: {}", from.command.front(), output.code, Trim(output.text.substr(0, 300))));
  return Collected{output.text, output.cut ? fmt::format("{} printed even more", from.command.front()) : ""};
}

Result<Collected> Collector::Get(const FromAgent& from) {
  if (client_ == nullptr) return Unavailable("there is no connection to the agent");
  BULKHEAD_RETURN_IF_ERROR(Annotate(agent_, "not asked any more"));
  auto answer = AskAgent(*client_, from.question, deadline_);
  const StatusCode code = answer.status().code();
  if (code == StatusCode::kUnavailable || code == StatusCode::kDeadlineExceeded) agent_ = answer.status();
  return answer;
}

Result<Collected> Collector::Get(const FromManifests& from) {
  BULKHEAD_ASSIGN(const std::vector<v1::Object> objects, LoadManifests({from.folder}));
  std::string text = fmt::format("# {}: {} objects\n", from.folder, objects.size());
  for (const v1::Object& object : objects) {
    text += "---\n" + ToYaml(object);
    if (text.size() > kBundleFileBytes) break;
  }
  return Collected{text, ""};
}

Result<Collected> Collector::Get(const FromCgroups& from) { return ReadCgroups(from, deadline_); }

Result<Collected> Collector::Get(const FromPins& from) { return ReadPins(from.folder); }

Result<Collected> Collector::Get(const FromFolders& from) {
  Collected listed;
  size_t files = 0;
  for (const std::string& path : from.paths) {
    listed.text += Line(path);
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) continue;
    std::vector<std::filesystem::path> found;
    for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
      if (++files > kListed) break;
      found.push_back(entry->path());
    }
    if (error) listed.text += fmt::format("{}: {}\n", path, error.message());
    std::sort(found.begin(), found.end());
    for (const std::filesystem::path& file : found) listed.text += Line(file);
  }
  if (files > kListed) listed.more = fmt::format("only {} files are listed", kListed);
  return listed;
}

}  // namespace bulkhead::cli
