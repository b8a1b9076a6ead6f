#include "agent/cli/parse.h"

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead::cli {

Result<std::chrono::seconds> ParseDuration(const std::string& text) {
  constexpr unsigned long long kMost = 100ULL * 365 * 86400;
  const std::string unit = text.empty() ? "" : text.substr(text.size() - 1);
  const unsigned long long factor = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : unit == "d" ? 86400 : 0;
  const auto number = ParseUnsigned(text.substr(0, text.empty() ? 0 : text.size() - 1));
  if (factor == 0 || !number.ok()) return InvalidArgument(fmt::format("{}: use 90s, 15m, 1h or 7d", text));
  if (*number > kMost / factor) return InvalidArgument(fmt::format("{}: more than 100 years", text));
  return std::chrono::seconds(*number * factor);
}

Result<Setting> ParseSetting(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return InvalidArgument(fmt::format("{}: write it as FIELD=VALUE, as in limits.memory.max=256MiB", text));
  return Setting{text.substr(0, equals), text.substr(equals + 1)};
}

}  // namespace bulkhead::cli
