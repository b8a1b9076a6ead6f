#include "agent/manifest/quantity.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "agent/manifest/report.h"

namespace bulkhead {
namespace {

__extension__ typedef unsigned __int128 Wide;  // products of two 64-bit numbers cannot overflow it

struct Unit {
  const char* name;
  uint64_t factor;
};

constexpr Unit kByteUnits[] = {{"", 1},
                               {"B", 1},
                               {"kB", 1'000},
                               {"KB", 1'000},
                               {"MB", 1'000'000},
                               {"GB", 1'000'000'000},
                               {"TB", 1'000'000'000'000},
                               {"PB", 1'000'000'000'000'000},
                               {"EB", 1'000'000'000'000'000'000},
                               {"KiB", uint64_t{1} << 10},
                               {"MiB", uint64_t{1} << 20},
                               {"GiB", uint64_t{1} << 30},
                               {"TiB", uint64_t{1} << 40},
                               {"PiB", uint64_t{1} << 50},
                               {"EiB", uint64_t{1} << 60}};

constexpr Unit kTimeUnits[] = {
    {"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};
constexpr uint64_t kMaxDuration = uint64_t{100} * 365 * 24 * 3'600'000'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

const Unit* Find(std::string_view name, const Unit* begin, const Unit* end) {
  const Unit* found = std::find_if(begin, end, [&](const Unit& unit) { return name == unit.name; });
  return found == end ? nullptr : found;
}

// A decimal number at the start of `text`: "1.5GiB" → 1, 5, 1 digit, 3 characters.
struct Decimal {
  uint64_t whole = 0;
  uint64_t fraction = 0;
  uint64_t scale = 1;  // fraction / scale
  size_t length = 0;   // 0: no number there
  bool too_large = false;
};

Decimal ReadDecimal(const std::string& text) {
  Decimal number;
  size_t at = 0;
  while (at < text.size() && IsDigit(text[at])) ++at;
  if (at == 0) return number;
  number.too_large = std::from_chars(text.data(), text.data() + at, number.whole).ec != std::errc();
  number.length = at;
  if (at + 1 >= text.size() || text[at] != '.' || !IsDigit(text[at + 1])) return number;
  for (++at; at < text.size() && IsDigit(text[at]); ++at) {
    if (number.scale >= 1'000'000'000'000'000'000) return {};  // more digits than anyone means
    number.fraction = number.fraction * 10 + static_cast<uint64_t>(text[at] - '0');
    number.scale *= 10;
  }
  number.length = at;
  return number;
}

// number × factor; nullopt when it is no whole number.
std::optional<Wide> Multiply(const Decimal& number, uint64_t factor) {
  const Wide part = Wide{number.fraction} * factor;
  if (part % number.scale != 0) return std::nullopt;
  return Wide{number.whole} * factor + part / number.scale;
}

}  // namespace

Result<uint64_t> ParseBytes(const std::string& text) {
  if (text.starts_with('-')) return InvalidArgument(Quoted(text) + " is negative: use 512MiB, 4GiB, 10MB");
  const Decimal number = ReadDecimal(text);
  const Unit* unit = Find(text.substr(number.length), std::begin(kByteUnits), std::end(kByteUnits));
  if (number.length == 0 || !unit)
    return InvalidArgument(Quoted(text) + " is not a byte quantity: use 512MiB, 4GiB, 10MB");
  const auto bytes = Multiply(number, unit->factor);
  if (!bytes) return InvalidArgument(Quoted(text) + " is not a whole number of bytes");
  if (number.too_large || *bytes > UINT64_MAX)
    return InvalidArgument(Quoted(text) + " is too large: use less than 16EiB");
  return static_cast<uint64_t>(*bytes);
}

std::string FormatBytes(uint64_t bytes) {
  for (const Unit* unit = std::end(kByteUnits) - 1; unit->factor >= 1024 && unit->name[1] == 'i'; --unit)
    if (bytes != 0 && bytes % unit->factor == 0) return fmt::format("{}{}", bytes / unit->factor, unit->name);
  return std::to_string(bytes);
}

Result<double> ParseCpus(const std::string& text) {
  if (text.starts_with('-')) return InvalidArgument(Quoted(text) + " is negative: use 2, 0.5 or 500m");
  const bool milli = text.ends_with('m');
  const std::string digits = milli ? text.substr(0, text.size() - 1) : text;
  double cpus = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, cpus, std::chars_format::fixed);
  if (error == std::errc::result_out_of_range)
    return InvalidArgument(Quoted(text) + " is too large for a number of CPUs");
  if (error != std::errc() || stop != end || !IsDigit(digits.front()))
    return InvalidArgument(Quoted(text) + " is not a number of CPUs: use 2, 0.5 or 500m");
  return milli ? cpus / 1000 : cpus;
}

std::string FormatCpus(double cpus) {
  const double milli = std::round(cpus * 1000);
  if (std::round(cpus) != cpus && milli / 1000 == cpus && milli < 1e15) return fmt::format("{:.0f}m", milli);
  char text[512];  // fixed notation of a double takes up to 350
  const auto [end, error] = std::to_chars(text, text + sizeof(text), cpus, std::chars_format::fixed);
  return error == std::errc() ? std::string(text, end) : fmt::format("{}", cpus);
}

Result<std::chrono::nanoseconds> ParseDuration(const std::string& text) {
  const auto bad = [&] { return InvalidArgument(Quoted(text) + " is not a duration: use 10ms, 5s, 1h30m"); };
  if (text.starts_with('-')) return InvalidArgument(Quoted(text) + " is negative: use 10ms, 5s, 1h30m");
  if (text.size() > 64) return bad();
  Wide total = 0;
  std::string rest = text;
  do {
    const Decimal number = ReadDecimal(rest);
    if (number.length == 0) return bad();
    if (number.too_large) return InvalidArgument(Quoted(text) + " is too long: use 100 years at most");
    const size_t next = std::min(rest.find_first_of("0123456789", number.length), rest.size());
    std::string_view name = std::string_view(rest).substr(number.length, next - number.length);
    if (name.empty() && number.length == text.size()) name = "s";
    const Unit* unit = Find(name, std::begin(kTimeUnits), std::end(kTimeUnits));
    if (!unit) return bad();
    const auto part = Multiply(number, unit->factor);
    if (!part) return InvalidArgument(Quoted(text) + " is finer than a nanosecond");
    total += *part;
    if (total > kMaxDuration) return InvalidArgument(Quoted(text) + " is too long: use 100 years at most");
    rest = rest.substr(next);
  } while (!rest.empty());
  return std::chrono::nanoseconds(static_cast<int64_t>(total));
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  const int64_t count = duration.count();
  if (count == 0) return "0s";
  for (const Unit* unit = std::end(kTimeUnits) - 1; unit >= std::begin(kTimeUnits); --unit)
    if (count % static_cast<int64_t>(unit->factor) == 0)
      return fmt::format("{}{}", count / static_cast<int64_t>(unit->factor), unit->name);
  return fmt::format("{}ns", count);
}

}  // namespace bulkhead
