#include "agent/base/log.h"

#include <syslog.h>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "agent/base/journal.h"

namespace bulkhead::log {
namespace {

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::stderr_logger_mt("bulkhead");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

// key=value, quoted when the value has a space, a quote or an equals sign, so that a line can be split again.
std::string Line(const std::string& message, Fields fields) {
  std::string line = message;
  for (const Field& field : fields) {
    line += fmt::format(" {}=", field.name);
    if (!field.value.empty() && field.value.find_first_of(" \"=\n\\") == std::string::npos) {
      line += field.value;
      continue;
    }
    line += '"';
    for (char c : field.value) {
      if (c == '"' || c == '\\') line += '\\';
      if (c == '\n')
        line += "\\n";
      else
        line += c;
    }
    line += '"';
  }
  return line;
}

int PriorityOf(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::err:
      return LOG_ERR;
    case spdlog::level::warn:
      return LOG_WARNING;
    case spdlog::level::info:
      return LOG_INFO;
    default:
      return LOG_DEBUG;
  }
}

void Write(spdlog::level::level_enum level, const std::string& message, Fields fields) {
  static const bool journal = StderrIsJournal();
  if (!Logger().should_log(level)) return;
  const std::string line = Line(message, fields);
  if (journal) {
    JournalFields named;
    for (const Field& field : fields) named.emplace_back(field.name, field.value);
    if (SendToJournal(ToJournal(PriorityOf(level), message, line, named))) return;
  }
  Logger().log(level, line);
}

}  // namespace

Status SetLevel(const std::string& level) {
  for (auto known : {spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err}) {
    const auto name = spdlog::level::to_string_view(known);
    if (level == std::string(name.data(), name.size())) {
      Logger().set_level(known);
      return Ok();
    }
  }
  return InvalidArgument(fmt::format("log level \"{}\": use debug, info, warning or error", level));
}

std::string Level() {
  const auto name = spdlog::level::to_string_view(Logger().level());
  return {name.data(), name.size()};
}

void Debug(const std::string& message, Fields fields) { Write(spdlog::level::debug, message, fields); }
void Info(const std::string& message, Fields fields) { Write(spdlog::level::info, message, fields); }
void Warning(const std::string& message, Fields fields) { Write(spdlog::level::warn, message, fields); }
void Error(const std::string& message, Fields fields) { Write(spdlog::level::err, message, fields); }

}  // namespace bulkhead::log
