// Programs of the host, run for what they print.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "agent/base/status.h"

namespace bulkhead::cli {

struct CommandOutput {
  int code = 0;      // exit code; 128 + signal
  std::string text;  // standard output and standard error together
  bool cut = false;  // there was more
};

// Without a shell, found in PATH, in English, without colours and pagers, and with nothing on its standard input.
// NotFound when it is not installed; DeadlineExceeded when it takes longer than `timeout`: then it is killed. Output
// beyond `limit` bytes is read and dropped.
Result<CommandOutput> RunCommand(const std::vector<std::string>& command, std::chrono::seconds timeout, size_t limit);

}  // namespace bulkhead::cli
