// What this process itself takes.
#pragma once

#include <cstdint>

#include "agent/base/status.h"

namespace bulkhead {

struct ProcessUse {
  double cpu_seconds = 0;  // user and system
  uint64_t resident_bytes = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;  // that it may have
};

Result<ProcessUse> ReadProcessUse();  // any thread

}  // namespace bulkhead
