#include "agent/base/journal.h"

#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION  // which would be this file's
#include <systemd/sd-journal.h>

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

namespace bulkhead {
namespace {

constexpr size_t kMaxName = 64;  // the journal's

// "took_ms" → "BULKHEAD_TOOK_MS"; the journal takes capital letters, digits and underscores only.
std::string FieldName(const std::string& name) {
  std::string field = "BULKHEAD_" + name;
  for (char& c : field) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) c = '_';
  }
  field.resize(std::min(field.size(), kMaxName));
  return field;
}

}  // namespace

bool StderrIsJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

JournalFields ToJournal(int priority, const std::string& what, const std::string& line, const JournalFields& fields) {
  JournalFields all = {{"MESSAGE", line}, {"PRIORITY", std::to_string(priority)}, {"BULKHEAD_WHAT", what}};
  for (const auto& [name, value] : fields) {
    all.emplace_back(FieldName(name), value);
    if ((name == "task" || name == "object") && !value.empty() && value != "node")
      all.emplace_back("BULKHEAD_TENANT", value.substr(0, value.find('/')));
  }
  return all;
}

bool SendToJournal(const JournalFields& fields) {
  std::vector<std::string> texts;
  texts.reserve(fields.size());
  for (const auto& [name, value] : fields) texts.push_back(fmt::format("{}={}", name, value));
  std::vector<iovec> parts;
  parts.reserve(texts.size());
  for (std::string& text : texts) parts.push_back({.iov_base = text.data(), .iov_len = text.size()});
  return ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0;
}

}  // namespace bulkhead
