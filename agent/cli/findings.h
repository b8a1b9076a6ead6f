// Findings as the checks collect them.
#pragma once

#include <string>
#include <vector>

#include "bulkhead/v1/diagnosis.pb.h"

namespace bulkhead::cli {

class Findings {
 public:
  void Add(v1::Severity severity, const std::string& check, const std::string& found, const std::string& meaning = "",
           const std::string& action = "") {
    v1::Finding& finding = all_.emplace_back();
    finding.set_severity(severity);
    finding.set_check(check);
    finding.set_found(found);
    finding.set_meaning(meaning);
    finding.set_action(action);
  }
  const std::vector<v1::Finding>& all() const { return all_; }

 private:
  std::vector<v1::Finding> all_;
};

inline std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace bulkhead::cli
