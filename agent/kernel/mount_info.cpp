#include "agent/kernel/mount_info.h"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace bulkhead {
namespace {

// Space, tab, newline and backslash are written as \ooo.
std::string Unescape(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

// Within an option a comma is written \, by overlayfs, and \054 by others.
std::vector<std::string> SplitOptions(const std::string& text) {
  std::vector<std::string> parts;
  for (const std::string& part : Split(text, ',')) {
    if (parts.empty() || !parts.back().ends_with('\\')) {
      parts.push_back(part);
      continue;
    }
    parts.back().back() = ',';
    parts.back() += part;
  }
  for (std::string& part : parts) part = Unescape(part);
  return parts;
}

}  // namespace

std::vector<MountLine> ParseMountInfo(const std::string& mountinfo) {
  std::vector<MountLine> lines;
  std::istringstream in(mountinfo);
  for (std::string text; std::getline(in, text);) {
    // id parent major:minor root mount-point options [optional fields…] - type source super-options
    const std::vector<std::string> words = Split(text, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    MountLine line{.root = Unescape(words[3]),
                   .mount_point = Unescape(words[4]),
                   .type = *(dash + 1),
                   .source = Unescape(*(dash + 2)),
                   .options = SplitOptions(*(dash + 3))};
    (void)std::from_chars(words[0].data(), words[0].data() + words[0].size(), line.id);  // 0: no mount has that
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace bulkhead
