// A secret should never have got where a bundle looks. Where one did, better a value too many is removed than one too
// few.
#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "agent/cli/bundle.h"
#include "agent/cli/redact.h"

namespace bulkhead::cli {
namespace {

constexpr std::string_view kRemoved = "(removed)";
constexpr std::array<std::string_view, 11> kNames = {"password", "passwd",      "passphrase",   "secret",
                                                     "token",    "credential",  "api_key",      "apikey",
                                                     "api-key",  "private_key", "authorization"};

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'; }

bool SameAt(std::string_view text, size_t at, std::string_view word) {
  if (text.size() - at < word.size()) return false;
  return std::equal(word.begin(), word.end(), text.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

// Key blocks, over lines and over escaped line ends.
std::string WithoutKeys(const std::string& text) {
  constexpr std::string_view kBegin = "-----BEGIN";
  constexpr std::string_view kEnd = "-----END";
  constexpr size_t kLabel = 120;  // "RSA PRIVATE KEY", perhaps broken into lines
  std::string out;
  size_t from = 0;
  while (true) {
    const size_t begin = text.find(kBegin, from);
    if (begin == std::string::npos) return out + text.substr(from);
    const size_t after = begin + kBegin.size();
    const std::string_view label =
        std::string_view(text).substr(after, std::min(kLabel, text.find("-----", after) - after));
    const bool key = label.find("PRIVATE") != std::string_view::npos;
    out += text.substr(from, begin - from);
    if (!key) {
      out += kBegin;
      from = begin + kBegin.size();
      continue;
    }
    out += kRemoved;
    const size_t end = text.find(kEnd, begin);
    if (end == std::string::npos) return out + "\n";  // of a key without an end nothing is safe
    const size_t close = text.find("-----", end + kEnd.size());
    if (close == std::string::npos) return out + "\n";
    from = close + 5;
  }
}

// A value in a line: what is between its quotes, where it has any.
struct Span {
  size_t begin = 0;
  size_t end = 0;  // == begin: there is none
};

// `loose`: without quotes it lasts to the end of the line, as in YAML.
Span ValueAt(std::string_view line, size_t at, bool loose) {
  if (at >= line.size()) return {at, at};
  // In quotes, which a JSON text within a JSON text escapes.
  const size_t quote_size = line[at] == '\\' ? 2 : 1;
  const std::string_view quote = line.substr(at, quote_size);
  if (quote.ends_with('"') || quote == "'") {
    for (size_t i = at + quote_size; i < line.size(); ++i) {
      if (line.substr(i).starts_with(quote)) return {at + quote_size, i};
      if (line[i] == '\\') ++i;
    }
    return {at, line.size()};
  }
  if (loose || line[at] == '[' || line[at] == '{') return {at, line.size()};
  return {at, std::min(line.size(), line.find_first_of(" \t,;&\"'})]", at))};
}

// The value of the name like "token" at `at`.
Span ValueOf(std::string_view line, size_t at, size_t size) {
  size_t first = at;
  while (first > 0 && IsWord(line[first - 1])) --first;
  size_t i = at + size;
  while (i < line.size() && IsWord(line[i])) ++i;
  const size_t bare = i;
  if (i < line.size() && line[i] == '\\') ++i;
  if (i < line.size() && (line[i] == '"' || line[i] == '\'')) ++i;
  const bool quoted = i > bare;
  const size_t name_end = i;
  while (i < line.size() && (line[i] == ' ' || line[i] == '\t')) ++i;
  if (i < line.size() && (line[i] == '=' || line[i] == ':')) {
    const bool loose = line[i] == ':' && !quoted;
    ++i;
    while (i < line.size() && (line[i] == ' ' || line[i] == '\t')) ++i;
    return ValueAt(line, i, loose);
  }
  if (line.substr(first).starts_with("--") && i > name_end) return ValueAt(line, i, false);
  return {i, i};
}

std::string WithoutValues(std::string_view line) {
  std::string out;
  size_t done = 0;
  for (size_t at = 0; at < line.size(); ++at) {
    if (std::string_view("pstcaPSTCA").find(line[at]) == std::string_view::npos) continue;
    const auto* const name =
        std::find_if(kNames.begin(), kNames.end(), [&](std::string_view one) { return SameAt(line, at, one); });
    if (name == kNames.end()) continue;
    const Span value = ValueOf(line, at, name->size());
    if (value.end > value.begin) {
      out += line.substr(done, value.begin - done);
      out += kRemoved;
      done = value.end;
    }
    at = std::max(at, std::max(value.end, at + name->size()) - 1);
  }
  return out + std::string(line.substr(done));
}

// scheme://user:password@host
std::string WithoutUserinfo(std::string_view line) {
  std::string out;
  for (size_t scheme = line.find("://"); scheme != std::string_view::npos; scheme = line.find("://")) {
    const size_t begin = scheme + 3;
    const size_t end = std::min(line.size(), line.find_first_of("/ \t\"'", begin));
    std::string_view host = line.substr(begin, end - begin);
    out += line.substr(0, begin);
    if (const size_t sign = host.rfind('@'); sign != std::string_view::npos) {
      out += kRemoved;
      host.remove_prefix(sign);
    }
    out += host;
    line.remove_prefix(end);
  }
  return out.append(line);
}

}  // namespace

std::string Redact(const std::string& text) {
  const std::string clean = WithoutKeys(text);
  std::string out;
  out.reserve(clean.size());
  bool environment = false;  // of a unit; it goes on behind a line that ends in a backslash
  for (size_t from = 0; from < clean.size();) {
    const size_t end = std::min(clean.size(), clean.find('\n', from));
    const std::string_view line = std::string_view(clean).substr(from, end - from);
    if (environment || line.starts_with("Environment=")) {
      if (!environment) out += "Environment=" + std::string(kRemoved);
      environment = line.ends_with('\\');
      if (!environment && end < clean.size()) out += '\n';
    } else {
      out += WithoutUserinfo(WithoutValues(line));
      if (end < clean.size()) out += '\n';
    }
    from = end + 1;
  }
  return out;
}

void RedactFields(google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool repeated = field->is_repeated();
    const int count = repeated ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        RedactFields(*(repeated ? reflection.MutableRepeatedMessage(&message, field, i)
                                : reflection.MutableMessage(&message, field)));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && repeated) {
        reflection.SetRepeatedString(&message, field, i, Redact(reflection.GetRepeatedString(message, field, i)));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        reflection.SetString(&message, field, Redact(reflection.GetString(message, field)));
      }
    }
  }
}

}  // namespace bulkhead::cli
