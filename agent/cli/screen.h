// A terminal that is redrawn in place.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "agent/base/status.h"

namespace bulkhead::cli {

// Owns the terminal until it is destroyed; then the terminal is as it was.
class Screen {
 public:
  static Result<std::unique_ptr<Screen>> Open();  // FailedPrecondition without a terminal
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void Show(const std::string& text);       // lines that do not fit are cut off
  int Key(std::chrono::milliseconds wait);  // the key that was pressed meanwhile, or 0

 private:
  explicit Screen(void* terminal) : terminal_(terminal) {}
  void* terminal_;
};

}  // namespace bulkhead::cli
