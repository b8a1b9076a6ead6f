#include "agent/cli/output.h"

#include <google/protobuf/util/json_util.h>

#include <array>
#include <ctime>

#include "agent/manifest/manifest.h"

namespace bulkhead::cli {

std::string ToJson(const google::protobuf::Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = pretty;
  options.always_print_primitive_fields = true;  // scripts find every number, zero included
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(message, &text, options);  // fails only for Any
  return text;
}

bool WriteMessage(const Cli& cli, const google::protobuf::Message& message) {
  if (cli.format == Format::kJson) {
    cli.out << ToJson(message, true);
  } else if (cli.format == Format::kYaml) {
    cli.out << ToYaml(message);
  } else {
    return false;
  }
  return true;
}

void WriteTable(const Cli& cli, const Table& table) {
  cli.out << table.ToString(cli.format == Format::kWide ? 0 : Table::kWidth, cli.color);
}

std::string LocalTime(int64_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  tm parts{};
  ::localtime_r(&time, &parts);
  std::array<char, 32> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return std::string(text.data(), size);
}

}  // namespace bulkhead::cli
