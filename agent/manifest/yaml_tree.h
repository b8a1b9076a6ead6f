// YAML text as a tree with line numbers. The only user of yaml-cpp; its exceptions end here.
#pragma once

#include <string>
#include <vector>

#include "agent/manifest/report.h"

namespace bulkhead {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 1;
  std::string key;              // in its parent mapping
  std::string text;             // kScalar: as written, escapes resolved
  std::vector<YamlNode> items;  // kList and kMap, in order; the line of a mapping's item is its key's line
};

// One tree per document, empty ones left out. Syntax errors, duplicate keys, keys that are no scalars, unknown tags,
// and anything above the bounds in manifest.h go to the report; then the trees are not complete.
std::vector<YamlNode> ParseYaml(const std::string& text, Report& report);

}  // namespace bulkhead
