#include "agent/base/file_io.h"

#include <fcntl.h>

#include <cerrno>
#include <charconv>

#include <fmt/format.h>

namespace bulkhead {

Result<UniqueFd> OpenAt(int dir_fd, const std::string& path, int flags, unsigned mode) {
  UniqueFd fd(::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) return Errno(errno, fmt::format("open {}", path));
  return fd;
}

Result<UniqueFd> OpenDir(const std::string& path) { return OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY); }

Result<std::string> ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  while (true) {
    const ssize_t n = ::pread(fd, buffer, sizeof(buffer), static_cast<off_t>(text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Errno(errno, "read");
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

Result<std::string> ReadFileAt(int dir_fd, const std::string& name) {
  BULKHEAD_ASSIGN(UniqueFd fd, OpenAt(dir_fd, name, O_RDONLY));
  auto text = ReadAll(fd.get());
  if (!text.ok()) return Annotate(text.status(), name);
  return text;
}

Result<std::string> ReadFile(const std::string& path) { return ReadFileAt(AT_FDCWD, path); }

Status WriteOnce(int fd, const std::string& value) {
  const ssize_t n = ::write(fd, value.data(), value.size());
  if (n < 0) return Errno(errno, fmt::format("write \"{}\"", Trim(value)));
  if (static_cast<size_t>(n) != value.size()) return Errno(EIO, fmt::format("short write of \"{}\"", Trim(value)));
  return Ok();
}

Status WriteFileAt(int dir_fd, const std::string& name, const std::string& value) {
  BULKHEAD_ASSIGN(UniqueFd fd, OpenAt(dir_fd, name, O_WRONLY));
  return Annotate(WriteOnce(fd.get(), value), name);
}

std::string Trim(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<unsigned long long> ParseUnsigned(const std::string& text) {
  unsigned long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    return InvalidArgument(fmt::format("\"{}\" is not a number", text));
  return value;
}

}  // namespace bulkhead
