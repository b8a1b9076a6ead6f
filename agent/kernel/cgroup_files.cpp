#include "agent/kernel/cgroup_files.h"

#include <charconv>

#include <fmt/format.h>

namespace bulkhead {

const char* ControllerName(Controller controller, bool v2) {
  switch (controller) {
    case Controller::kCpu:
      return "cpu";
    case Controller::kCpuset:
      return "cpuset";
    case Controller::kMemory:
      return "memory";
    case Controller::kPids:
      return "pids";
    case Controller::kIo:
      return v2 ? "io" : "blkio";
    case Controller::kHugetlb:
      return "hugetlb";
  }
  return "?";
}

bool IsRequired(Controller controller) {
  return controller == Controller::kCpu || controller == Controller::kMemory || controller == Controller::kPids;
}

Result<uint64_t> NumberOf(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return Internal(fmt::format("\"{}\" is not a number", text));
  return value;
}

std::optional<uint64_t> StatField(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.substr(0, key.size()) == key && line[key.size()] == ' ') {
      auto value = NumberOf(line.substr(key.size() + 1));
      return value.ok() ? std::optional(*value) : std::nullopt;
    }
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return std::nullopt;
}

}  // namespace bulkhead
