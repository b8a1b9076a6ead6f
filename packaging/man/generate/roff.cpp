#include "roff.h"

#include <stdexcept>
#include <string>

namespace bulkhead::man {

std::string Escape(std::string_view text) {
  static const std::map<std::string_view, std::string_view> kOutsideAscii = {{"…", "..."}, {"←", "<-"}, {"–", "\\-"}};
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80) {
      const auto known = kOutsideAscii.find(text.substr(i, 3));
      if (known == kOutsideAscii.end()) throw std::runtime_error("not ASCII: " + std::string(text));
      out += known->second;
      i += 2;
    } else if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '.' && (out.empty() || out.back() == '\n')) {
      out += "\\&.";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Prose(std::string_view text) {
  std::string out;
  bool quoted = false;
  std::string piece;
  const auto flush = [&] {
    out += quoted                                                         ? Bold(piece)
           : piece.starts_with('.') && !out.empty() && out.back() != '\n' ? Escape(piece).substr(2)
                                                                          : Escape(piece);
    piece.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`') {
      flush();
      quoted = !quoted;
    } else if (text[i] == '\n' || (text[i] == ' ' && i > 0 && text[i - 1] == '.')) {
      // A sentence a line, as roff wants it; comment lines end in the middle of one.
      if (text[i] == '\n' && (i == 0 || text[i - 1] != '.'))
        piece += ' ';
      else
        piece += '\n';
    } else {
      piece += text[i];
    }
  }
  flush();
  const size_t first = out.find_first_not_of(" \n");
  if (first == std::string::npos) return "";
  out = out.substr(first, out.find_last_not_of(" \n") - first + 1) + "\n";
  for (size_t at = 0; (at = out.find("\n ", at)) != std::string::npos;) out.erase(at + 1, 1);
  return out;
}

}  // namespace bulkhead::man
