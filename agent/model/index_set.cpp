#include "agent/model/index_set.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace bulkhead {
namespace {

constexpr uint32_t kBits = 64;

// A number at the start of `text`, which it is taken off; false when there is none or it is out of range.
bool TakeIndex(std::string_view& text, uint32_t& index) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || index > IndexSet::kMaxIndex) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

bool Take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Result<IndexSet> IndexSet::Parse(const std::string& text) {
  const auto bad = [&] { return InvalidArgument(fmt::format("\"{}\" is not a list of numbers: use 0-3,7", text)); };
  IndexSet set;
  std::string_view rest = text;
  while (!rest.empty()) {
    uint32_t first = 0;
    if (!TakeIndex(rest, first)) return bad();
    uint32_t last = first;
    if (Take(rest, '-') && !TakeIndex(rest, last)) return bad();
    if (last < first) return bad();
    for (uint32_t index = first; index <= last; ++index) set.Add(index);
    if (!rest.empty() && (!Take(rest, ',') || rest.empty())) return bad();
  }
  return set;
}

std::string IndexSet::ToString() const {
  std::string text;
  const uint32_t end = static_cast<uint32_t>(words_.size()) * kBits;
  const auto has = [&](uint32_t index) {
    return index < end && (words_[index / kBits] >> (index % kBits) & uint64_t{1}) != 0;
  };
  for (uint32_t index = 0; index < end; ++index) {
    if (!has(index)) continue;
    uint32_t last = index;
    while (has(last + 1)) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ",", index);
    if (last > index) text += fmt::format("-{}", last);
    index = last;
  }
  return text;
}

void IndexSet::Add(uint32_t index) {
  if (words_.size() <= index / kBits) words_.resize(index / kBits + 1);
  words_[index / kBits] |= uint64_t{1} << (index % kBits);
}

bool IndexSet::Contains(const IndexSet& other) const { return Intersection(other) == other; }

IndexSet IndexSet::Union(const IndexSet& other) const {
  IndexSet both = *this;
  both.words_.resize(std::max(words_.size(), other.words_.size()));
  for (size_t i = 0; i < other.words_.size(); ++i) both.words_[i] |= other.words_[i];
  return both;
}

IndexSet IndexSet::Intersection(const IndexSet& other) const {
  IndexSet common;
  common.words_.resize(std::min(words_.size(), other.words_.size()));
  for (size_t i = 0; i < common.words_.size(); ++i) common.words_[i] = words_[i] & other.words_[i];
  while (!common.words_.empty() && common.words_.back() == 0) common.words_.pop_back();
  return common;
}

}  // namespace bulkhead
