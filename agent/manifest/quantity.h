// Quantities with units, as people write them. Parsers take the whole text, without white space around it; errors say
// what is wrong with the value and how it is written, and leave the field to the caller.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "agent/base/status.h"

namespace bulkhead {

// "512MiB", "4GiB", "10MB", "1.5GiB", "4096". Units: B, KiB MiB GiB TiB PiB EiB (1024), kB KB MB GB TB PB EB (1000).
Result<uint64_t> ParseBytes(const std::string& text);
// In the largest binary unit that comes out even: 268435456 → "256MiB", 1000 → "1000".
std::string FormatBytes(uint64_t bytes);

// "2", "0.5", "500m". Never negative, never infinite.
Result<double> ParseCpus(const std::string& text);
// 0.5 → "500m", 2 → "2"; the shortest form that parses to the same number.
std::string FormatCpus(double cpus);

// "10ms", "5s", "1.5s", "1h30m"; a number alone is seconds. ns, us, ms, s, m, h. At most 100 years.
Result<std::chrono::nanoseconds> ParseDuration(const std::string& text);
std::string FormatDuration(std::chrono::nanoseconds duration);  // "1500ms", "5s"

}  // namespace bulkhead
