#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "agent/base/unique_fd.h"
#include "agent/manifest/objects.h"

namespace bulkhead {
namespace {

// One byte above what the parser takes, so that it sees and reports the excess.
constexpr size_t kReadLimit = (size_t{1} << 20) + 1;

// A pipe works as well as a file: no seeking.
Result<std::string> ReadUpToLimit(int fd, const std::string& path) {
  std::string text;
  char buffer[16384];
  while (text.size() < kReadLimit) {
    const ssize_t count = ::read(fd, buffer, std::min(sizeof(buffer), kReadLimit - text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Errno(errno, fmt::format("read {}", path));
    if (count == 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  return text;
}

// The manifests of a folder, in order of name; a path that is no folder stands for itself.
Result<std::vector<std::string>> Expand(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (path == "-" || !fs::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  fs::directory_iterator entries(path, error);
  if (error) return Errno(error.value(), fmt::format("list {}", path));
  while (entries != fs::directory_iterator()) {
    const fs::path& file = entries->path();
    std::error_code gone;  // a file that vanished meanwhile is not there
    const bool yaml = file.extension() == ".yaml" || file.extension() == ".yml";
    if (yaml && entries->is_regular_file(gone)) files.push_back(file.string());
    entries.increment(error);
    if (error) return Errno(error.value(), fmt::format("list {}", path));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<std::string> ReadText(const std::string& path) {
  if (path == "-") return ReadUpToLimit(STDIN_FILENO, "standard input");
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return Errno(errno, fmt::format("open {}", path));
  return ReadUpToLimit(fd.get(), path);
}

Result<std::vector<ParsedObject>> LoadObjects(const std::vector<std::string>& paths) {
  std::vector<ParsedObject> objects;
  std::vector<std::string> errors;
  for (const std::string& path : paths) {
    BULKHEAD_ASSIGN(const std::vector<std::string> files, Expand(path));
    for (const std::string& file : files) {
      BULKHEAD_ASSIGN(const std::string text, ReadText(file));
      Report report(file);
      std::vector<ParsedObject> parsed = DecodeObjects(text, report);
      objects.insert(objects.end(), std::make_move_iterator(parsed.begin()), std::make_move_iterator(parsed.end()));
      errors.insert(errors.end(), report.errors().begin(), report.errors().end());
    }
  }
  if (errors.empty()) ReportDuplicates(objects, errors);
  BULKHEAD_RETURN_IF_ERROR(ToStatus(errors));
  return objects;
}

Result<std::vector<v1::Object>> LoadManifests(const std::vector<std::string>& paths) {
  BULKHEAD_ASSIGN(std::vector<ParsedObject> parsed, LoadObjects(paths));
  return WithoutPlaces(std::move(parsed));
}

}  // namespace bulkhead
