// One line per fact, with fields: log::Info("task applied", {{"task", id}, {"steps", n}}). Lower case, no trailing dot.
// error = someone must act; warning = degraded, and says what we do instead; info = state changes; debug = the rest.
// Any thread. Written to standard error; where that is systemd's journal, sent there as fields (see journal.h).
#pragma once

#include <initializer_list>
#include <string>

#include <fmt/format.h>

#include "agent/base/status.h"

namespace bulkhead::log {

struct Field {
  template <typename T>
  Field(const char* field_name, const T& field_value) : name(field_name), value(fmt::format("{}", field_value)) {}
  Field(const char* field_name, const Status& status) : name(field_name), value(Message(status)) {}
  const char* name;
  std::string value;
};
using Fields = std::initializer_list<Field>;

// "debug", "info", "warning", "error"; anything else is InvalidArgument. Default: info.
Status SetLevel(const std::string& level);
std::string Level();

void Debug(const std::string& message, Fields fields = {});
void Info(const std::string& message, Fields fields = {});
void Warning(const std::string& message, Fields fields = {});
void Error(const std::string& message, Fields fields = {});

}  // namespace bulkhead::log
