// Small texts of the command line.
#pragma once

#include <chrono>
#include <string>

#include "agent/base/status.h"

namespace bulkhead::cli {

// "90s", "15m", "1h", "7d", at most 100 years. InvalidArgument otherwise.
Result<std::chrono::seconds> ParseDuration(const std::string& text);

// "limits.memory.max=256MiB": split at the first =.
struct Setting {
  std::string field;
  std::string value;
};
Result<Setting> ParseSetting(const std::string& text);

}  // namespace bulkhead::cli
