#include "agent/cli/render.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include <fmt/format.h>

namespace bulkhead::cli {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kLeast = 8;  // a column is never cut below this

// Up to `decimals` digits behind the point, and no zeros at the end.
std::string Number(double value, int decimals) {
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

// Three digits are enough to read: 1.25, 12.5, 125.
std::string ThreeDigits(double value) { return Number(value, value < 10 ? 2 : value < 100 ? 1 : 0); }

bool Continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }  // inside a UTF-8 character

size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) { return !Continues(byte); }));
}

std::string Cut(const std::string& text, size_t width) {
  if (Width(text) <= width) return text;
  size_t end = 0;
  for (size_t seen = 0; end < text.size(); ++end)
    if (!Continues(text[end]) && ++seen == width) break;
  return text.substr(0, end) + "…";
}

}  // namespace

std::string Bytes(uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return ThreeDigits(value) + " " + kUnits[unit];
}

std::string Cpus(double cpus) { return Number(cpus, 2) + " CPU"; }

std::string CpuTime(uint64_t ns) {
  if (ns < 60'000'000'000) return ThreeDigits(static_cast<double>(ns) / 1e9) + " s";
  return Seconds(static_cast<int64_t>(ns / 1'000'000'000));
}

std::string Seconds(int64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", std::max<int64_t>(seconds, 0));
  if (seconds < 3600) return fmt::format("{}m {:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h {:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d {}h", seconds / 86400, seconds / 3600 % 24);
}

std::string Count(uint64_t count) {
  if (count < 1000) return fmt::format("{}", count);
  constexpr std::array kUnits = {"k", "M", "G", "T", "P", "E"};
  double value = static_cast<double>(count) / 1000;
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return ThreeDigits(value) + kUnits[unit];
}

std::string OfLimit(const std::string& use, const std::optional<std::string>& limit) {
  return limit ? use + " / " + *limit : use;
}

std::optional<std::string> CpuMax(const v1::Limits& limits) {
  return limits.cpu().has_max() ? std::optional(Cpus(limits.cpu().max())) : std::nullopt;
}
std::optional<std::string> MemoryMax(const v1::Limits& limits) {
  return limits.memory().has_max() ? std::optional(Bytes(limits.memory().max())) : std::nullopt;
}
std::optional<std::string> PidsMax(const v1::Limits& limits) {
  return limits.pids().has_max() ? std::optional(fmt::format("{}", limits.pids().max())) : std::nullopt;
}

std::string Wrap(const std::string& text, size_t indent, size_t width) {
  std::string wrapped;
  size_t column = indent;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const bool first = column == indent;
    if (!first && column + 1 + Width(word) > width) {
      wrapped += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!first) {
      wrapped += " ";
      ++column;
    }
    wrapped += word;
    column += Width(word);
  }
  return wrapped;
}

std::string Paint(const std::string& text, Color color, bool enabled) {
  if (!enabled || color == Color::kNone) return text;
  const char* code = color == Color::kGood ? "32" : color == Color::kWarn ? "33" : color == Color::kBad ? "31" : "2";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Cell EnforcementCell(v1::Enforcement enforcement) {
  switch (enforcement) {
    case v1::ENFORCEMENT_ENFORCED:
      return {"enforced", Color::kGood};
    case v1::ENFORCEMENT_PENDING:
      return {"pending", Color::kWarn};
    case v1::ENFORCEMENT_DEGRADED:
      return {"degraded", Color::kWarn};
    case v1::ENFORCEMENT_FAILED:
      return {"failed", Color::kBad};
    default:
      return {"unknown", Color::kWarn};
  }
}

std::vector<size_t> Table::Widths(size_t max_width) const {
  std::vector<size_t> widths;
  for (const Column& column : columns_) widths.push_back(Width(column.title));
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i].text));
  if (max_width == 0) return widths;
  size_t total = kGap * (widths.size() - 1);
  for (const size_t width : widths) total += width;
  while (total > max_width) {  // one character at a time off the widest column that may shrink
    size_t* widest = nullptr;
    for (size_t i = 0; i < widths.size(); ++i)
      if (columns_[i].shrink && widths[i] > kLeast && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
    if (widest == nullptr) break;
    --*widest;
    --total;
  }
  return widths;
}

std::string Table::ToString(size_t max_width, bool color) const {
  const std::vector<size_t> widths = Widths(max_width);
  std::string text;
  const auto add_line = [&](const std::vector<Cell>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string shown = Cut(row[i].text, widths[i]);
      const std::string pad(widths[i] - Width(shown), ' ');
      const std::string painted = Paint(shown, row[i].color, color);
      line += (i == 0 ? "" : std::string(kGap, ' ')) + (columns_[i].right ? pad + painted : painted + pad);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title, Color::kDim);
  add_line(titles);
  for (const auto& row : rows_) add_line(row);
  return text;
}

}  // namespace bulkhead::cli
