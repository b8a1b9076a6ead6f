#include "agent/base/version.h"

namespace bulkhead {

const char* const kVersion = BULKHEAD_VERSION;

}  // namespace bulkhead
