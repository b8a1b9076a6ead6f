#include "agent/manifest/report.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace bulkhead {
namespace {

constexpr size_t kMaxReported = 50;
constexpr size_t kMaxShown = 80;

// Levenshtein distance; names are short.
size_t Distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row.back();
}

}  // namespace

void Report::Add(int line, const std::string& path, const std::string& message) {
  std::string text = file_.empty() ? "" : fmt::format("{}:{}: ", file_, line);
  if (!path.empty()) text += path + ": ";
  errors_.push_back(text + message);
}

Status ToStatus(const std::vector<std::string>& errors) {
  if (errors.empty()) return Ok();
  const size_t shown = std::min(errors.size(), kMaxReported);
  std::string text = fmt::format("{}", fmt::join(errors.begin(), errors.begin() + static_cast<long>(shown), "\n"));
  if (errors.size() > shown) text += fmt::format("\nand {} more errors", errors.size() - shown);
  return InvalidArgument(text);
}

std::string Quoted(const std::string& text) {
  size_t length = std::min(text.size(), kMaxShown);
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
  std::string clean = text.substr(0, length);
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return fmt::format("\"{}\"{}", clean, length < text.size() ? "…" : "");
}

std::string Suggest(const std::string& text, const std::vector<std::string>& known) {
  const std::string* nearest = nullptr;
  size_t best = std::max<size_t>(2, text.size() / 3) + 1;
  for (const std::string& candidate : known) {
    if (text.size() > candidate.size() + best) continue;
    const size_t distance = Distance(text, candidate);
    if (distance < best && distance < candidate.size()) {
      best = distance;
      nearest = &candidate;
    }
  }
  if (nearest) return fmt::format(" did you mean \"{}\"?", *nearest);
  return fmt::format(" use one of {}", fmt::join(known, ", "));
}

}  // namespace bulkhead
