#include "agent/kernel/small_file.h"

#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>

namespace bulkhead {

Result<std::string_view> ReadSmall(int fd, const char* file, SmallBuffer& buffer) {
  const ssize_t n = ::pread(fd, buffer.data(), buffer.size(), 0);
  if (n < 0) return Errno(errno, fmt::format("{}: read", file));
  if (static_cast<size_t>(n) == buffer.size())
    return Errno(EFBIG, fmt::format("{}: read", file));  // the rest is unknown
  return std::string_view(buffer.data(), static_cast<size_t>(n));
}

Status WriteSmall(int fd, const char* file, std::string_view text) {
  const ssize_t n = ::pwrite(fd, text.data(), text.size(), 0);
  if (n < 0) return Errno(errno, fmt::format("{}: write \"{}\"", file, text == "\n" ? "" : text));
  if (static_cast<size_t>(n) != text.size()) return Errno(EIO, fmt::format("{}: short write of \"{}\"", file, text));
  return Ok();
}

}  // namespace bulkhead
