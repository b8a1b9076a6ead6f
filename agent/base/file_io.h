// Small-file reads and writes for cgroupfs, /proc and friends; errno is always kept.
#pragma once

#include <string>

#include "agent/base/status.h"
#include "agent/base/unique_fd.h"

namespace bulkhead {

Result<UniqueFd> OpenAt(int dir_fd, const std::string& path, int flags, unsigned mode = 0);  // adds O_CLOEXEC
Result<UniqueFd> OpenDir(const std::string& path);

Result<std::string> ReadAll(int fd);  // from offset 0, by pread
Result<std::string> ReadFileAt(int dir_fd, const std::string& name);
Result<std::string> ReadFile(const std::string& path);
Status WriteOnce(int fd, const std::string& value);  // one write(2); a short write is an error
Status WriteFileAt(int dir_fd, const std::string& name, const std::string& value);  // existing file, one write(2)

std::string Trim(const std::string& text);                          // strips white space at both ends
Result<unsigned long long> ParseUnsigned(const std::string& text);  // whole string, decimal

}  // namespace bulkhead
