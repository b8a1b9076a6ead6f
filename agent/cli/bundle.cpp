#include "agent/cli/bundle.h"

#include <algorithm>

#include <fmt/format.h>

namespace bulkhead::cli {
namespace {

std::string Mebibytes(size_t bytes) { return fmt::format("{} MiB", bytes >> 20U); }

// At most `limit` bytes, whole lines where there are any.
std::string Cut(const std::string& text, size_t limit, bool newest) {
  if (newest) {
    const size_t begin = text.size() - limit;
    const size_t line = text[begin - 1] == '\n' ? begin : text.find('\n', begin) + 1;
    return line == 0 || line == text.size() ? text.substr(begin) : text.substr(line);
  }
  const size_t line = text.rfind('\n', limit - 1);
  return line == std::string::npos ? text.substr(0, limit) : text.substr(0, line + 1);
}

}  // namespace

void Bundle::Add(const BundleItem& item, const Result<std::string>& text, const std::string& more) {
  Entry entry{.name = item.name, .about = item.about};
  if (!text.ok()) {
    entry.missing = true;
    entry.note = Redact(Message(text.status()));
    std::replace(entry.note.begin(), entry.note.end(), '\n', ' ');
    entries_.push_back(entry);
    return;
  }
  std::string content = Redact(*text);
  entry.note = more;
  const size_t room = bounds_.all - std::min(bounds_.all, used_);
  const size_t limit = std::min(bounds_.file, room);
  if (content.size() > limit) {
    entry.note = fmt::format("cut: {} of {} bytes; {}", item.newest ? "the newest" : "the first", content.size(),
                             room < bounds_.file ? fmt::format("the bundle takes {}", Mebibytes(bounds_.all))
                                                 : fmt::format("a file takes {}", Mebibytes(bounds_.file)));
    if (limit > 0) content = Cut(content, limit, item.newest);
    entry.missing = limit == 0;
  }
  if (!entry.missing) {
    entry.bytes = content.size();
    used_ += content.size();
    files_.push_back({item.name, std::move(content)});
  }
  entries_.push_back(entry);
}

size_t Bundle::missing() const {
  return static_cast<size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.missing; }));
}

std::string Bundle::Manifest(const std::string& title) const {
  std::string text = title;
  text += fmt::format("Bounds: {} a file, {} in all, {} s to collect.\n", Mebibytes(bounds_.file),
                      Mebibytes(bounds_.all), kBundleTime.count());
  text += "Left out: private keys, passwords, tokens; command lines, environments and output of tenants' processes.\n";
  text += "\nIn it, with bytes:\n";
  for (const Entry& entry : entries_) {
    if (entry.missing) continue;
    text += fmt::format("{:>9}  {:<30}  {}\n", entry.bytes, entry.name, entry.about);
    if (!entry.note.empty()) text += fmt::format("{:>9}  not whole: {}\n", "", entry.note);
  }
  text += missing() == 0 ? "\nNothing is missing.\n" : "\nMissing, and why:\n";
  for (const Entry& entry : entries_)
    if (entry.missing) text += fmt::format("{:>9}  {:<30}  {}\n", "-", entry.name, entry.note);
  return text;
}

std::vector<BundleFile> Bundle::Finish(const std::string& title) && {
  std::vector<BundleFile> all = {{"MANIFEST", Manifest(title)}};
  std::move(files_.begin(), files_.end(), std::back_inserter(all));
  return all;
}

}  // namespace bulkhead::cli
