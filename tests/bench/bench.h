// What the benchmarks share: a stopwatch, medians, and JSON to standard output or a file.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace bulkhead::bench {

// Microseconds that one call takes.
inline double TimeUsec(const std::function<void()>& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

inline double Median(std::vector<double> samples) {
  if (samples.empty()) return 0;
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return *middle;
}

// An object; keys and strings need no escaping here.
class Json {
 public:
  Json& Add(const std::string& key, double value) { return Raw(key, fmt::format("{:.6g}", value)); }
  Json& Add(const std::string& key, const std::string& value) { return Raw(key, fmt::format("\"{}\"", value)); }
  Json& Add(const std::string& key, const Json& value) { return Raw(key, value.Text()); }
  std::string Text() const { return "{" + body_ + "}"; }

 private:
  Json& Raw(const std::string& key, const std::string& value) {
    body_ += fmt::format("{}\"{}\": {}", body_.empty() ? "" : ", ", key, value);
    return *this;
  }
  std::string body_;
};

// Prints the result, and writes it to FILE where the arguments say "--json FILE". The exit code of the program.
inline int Report(int argc, char** argv, const Json& result) {
  fmt::print("{}\n", result.Text());
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) != "--json") continue;
    std::FILE* file = std::fopen(argv[i + 1], "we");
    const bool written = file != nullptr && std::fputs((result.Text() + "\n").c_str(), file) >= 0;
    if (file == nullptr || std::fclose(file) != 0 || !written) {
      std::perror(argv[i + 1]);
      return 1;
    }
  }
  return 0;
}

}  // namespace bulkhead::bench
