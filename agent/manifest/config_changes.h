// What a new configuration changes. Pure.
#pragma once

#include <string>
#include <vector>

#include "bulkhead/v1/config.pb.h"

namespace bulkhead {

struct ConfigChange {
  std::string field;    // "usage.interval"
  bool reload = false;  // comes into force at a reload; else it needs a restart
};

// The fields whose values differ, in order of the schema. An absent section is the same as an empty one.
std::vector<ConfigChange> ConfigChanges(const v1::Config& running, const v1::Config& next);

}  // namespace bulkhead
