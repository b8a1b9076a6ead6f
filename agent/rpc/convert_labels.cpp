#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "agent/rpc/convert_parts.h"

namespace bulkhead {
namespace {

constexpr int kMaxLabels = 64;
constexpr size_t kMaxLabelLength = 63;

bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool IsLabelText(const std::string& text, const std::string& marks) {
  return text.size() <= kMaxLabelLength && IsAlphanumeric(text.front()) && IsAlphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return IsAlphanumeric(c) || marks.find(c) != std::string::npos; });
}

}  // namespace

std::string Printable(const std::string& text) {
  std::string clean = text.substr(0, 80);
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return clean;
}

Result<Labels> DecodeLabels(const LabelMap& labels, const std::string& field) {
  if (labels.size() > kMaxLabels)
    return InvalidArgument(fmt::format("{}: {} labels, at most {} are allowed", field, labels.size(), kMaxLabels));
  Labels decoded(labels.begin(), labels.end());  // ordered, so that the same input gives the same message
  for (const auto& [key, value] : decoded) {
    if (key.empty() || !IsLabelText(key, "._-/"))
      return InvalidArgument(
          fmt::format("{}: \"{}\" is not a label key: use 1 to 63 letters, digits, '.', '_', '-' and '/', with a "
                      "letter or digit first and last",
                      field, Printable(key)));
    if (!value.empty() && !IsLabelText(value, "._-"))
      return InvalidArgument(
          fmt::format("{}.{}: \"{}\" is not a label value: use up to 63 letters, digits, '.', '_' and '-', with a "
                      "letter or digit first and last",
                      field, key, Printable(value)));
  }
  return decoded;
}

void EncodeLabels(const Labels& labels, LabelMap& out) {
  for (const auto& [key, value] : labels) out[key] = value;
}

}  // namespace bulkhead
