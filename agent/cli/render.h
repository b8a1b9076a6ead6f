// Text for people: quantities with units, and tables that fit a terminal. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bulkhead/v1/limits.pb.h"
#include "bulkhead/v1/task.pb.h"

namespace bulkhead::cli {

std::string Bytes(uint64_t bytes);     // "512 MiB", "1.5 GiB", "17 B"
std::string Cpus(double cpus);         // "0.5 CPU"
std::string CpuTime(uint64_t ns);      // "1.25 s", "3m 20s", "2h 05m"
std::string Seconds(int64_t seconds);  // "45s", "3m 20s", "2h 05m", "3d 4h"
std::string Count(uint64_t count);     // "950", "12.3k", "4.5M"
std::string OfLimit(const std::string& use, const std::optional<std::string>& limit);  // "12 MiB / 256 MiB"

// Limits as text; nullopt = none.
std::optional<std::string> CpuMax(const v1::Limits& limits);
std::optional<std::string> MemoryMax(const v1::Limits& limits);
std::optional<std::string> PidsMax(const v1::Limits& limits);

// Broken between words into lines of at most `width` characters, a longer word standing alone; each line but the first
// begins with `indent` spaces, which count.
std::string Wrap(const std::string& text, size_t indent, size_t width);

enum class Color { kNone, kGood, kWarn, kBad, kDim };
std::string Paint(const std::string& text, Color color, bool enabled);

struct Cell {
  Cell(std::string cell_text, Color cell_color = Color::kNone)  // NOLINT(google-explicit-constructor)
      : text(std::move(cell_text)), color(cell_color) {}
  Cell(const char* cell_text) : text(cell_text) {}  // NOLINT(google-explicit-constructor)
  std::string text;
  Color color = Color::kNone;
};
Cell EnforcementCell(v1::Enforcement enforcement);  // "enforced", "degraded", "failed"

class Table {
 public:
  static constexpr size_t kWidth = 100;

  struct Column {
    std::string title;
    bool right = false;   // numbers
    bool shrink = false;  // cut with … when the table would be too wide
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void Add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  // max_width 0: as wide as it gets. No trailing spaces.
  std::string ToString(size_t max_width, bool color) const;

 private:
  std::vector<size_t> Widths(size_t max_width) const;
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace bulkhead::cli
