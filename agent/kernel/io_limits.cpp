#include "agent/kernel/io_limits.h"

#include <sstream>

#include <fmt/format.h>

#include "agent/kernel/cgroup_files.h"

namespace bulkhead {
namespace {

struct Key {
  LimitKind kind;
  std::string_view name;
};
constexpr Key kKeys[] = {{LimitKind::kIoReadBps, "rbps"},
                         {LimitKind::kIoWriteBps, "wbps"},
                         {LimitKind::kIoReadIops, "riops"},
                         {LimitKind::kIoWriteIops, "wiops"}};

std::string_view NameOf(LimitKind kind) {
  for (const Key& key : kKeys)
    if (key.kind == kind) return key.name;
  return "";
}

// A word of io.max, "rbps=1048576"; what this agent does not know is not its business.
Status AddWord(std::string_view word, uint64_t disk, Limits& limits) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return Internal(fmt::format("\"{}\" is not key=value", word));
  for (const Key& key : kKeys) {
    if (word.substr(0, equals) != key.name || word.substr(equals + 1) == "max") continue;
    BULKHEAD_ASSIGN(const uint64_t value, NumberOf(word.substr(equals + 1)));
    limits.Set({key.kind, disk}, value);
  }
  return Ok();
}

}  // namespace

Result<DiskId> DiskFromText(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return Internal(fmt::format("\"{}\" is not major:minor", text));
  BULKHEAD_ASSIGN(const uint64_t major, NumberOf(text.substr(0, colon)));
  BULKHEAD_ASSIGN(const uint64_t minor, NumberOf(text.substr(colon + 1)));
  return DiskId{static_cast<uint32_t>(major), static_cast<uint32_t>(minor)};
}

std::string IoToText(const LimitId& id, const std::optional<LimitValue>& value, bool v2) {
  const std::string disk = DiskOf(id).ToString();
  if (!v2) return fmt::format("{} {}", disk, value ? value->number() : 0);
  return fmt::format("{} {}={}", disk, NameOf(id.kind), value ? std::to_string(value->number()) : "max");
}

Status IoFromText(std::string_view text, bool v2, LimitKind kind, Limits& limits) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    if (!(words >> word) || word == "Total") continue;
    BULKHEAD_ASSIGN(const DiskId id, DiskFromText(word));
    const uint64_t disk = OfDisk(id);
    while (words >> word) {
      if (v2) {
        BULKHEAD_RETURN_IF_ERROR(AddWord(word, disk, limits));
        continue;
      }
      BULKHEAD_ASSIGN(const uint64_t value, NumberOf(word));
      if (value != 0) limits.Set({kind, disk}, value);
    }
  }
  return Ok();
}

}  // namespace bulkhead
