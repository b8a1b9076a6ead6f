// Collects what is wrong with one text, so that a person fixes everything at once.
#pragma once

#include <string>
#include <vector>

#include "agent/base/status.h"

namespace bulkhead {

class Report {
 public:
  // `file` as the user named it; empty: messages start with the field path.
  explicit Report(std::string file) : file_(std::move(file)) {}

  // "FILE:LINE: path: message"; an empty path is left out.
  void Add(int line, const std::string& path, const std::string& message);
  const std::string& file() const { return file_; }
  bool ok() const { return errors_.empty(); }
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  std::string file_;
  std::vector<std::string> errors_;
};

// InvalidArgument with one error a line, at most 50 and then how many more; ok when there are none.
Status ToStatus(const std::vector<std::string>& errors);

// Text from a file as it may stand in a message: in quotes, at most 80 bytes, without control characters.
std::string Quoted(const std::string& text);

// ` did you mean "max"?` for the nearest of `known`, else ` use one of a, b, c`.
std::string Suggest(const std::string& text, const std::vector<std::string>& known);

}  // namespace bulkhead
