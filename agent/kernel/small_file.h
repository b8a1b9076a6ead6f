// Control files on descriptors that stay open. kernfs gives and takes a file whole in one call.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "agent/base/status.h"

namespace bulkhead {

using SmallBuffer = std::array<char, 4096>;  // left as it is: a list of CPUs can be long, most values are short

// Errors name `file`.
Result<std::string_view> ReadSmall(int fd, const char* file, SmallBuffer& buffer);
Status WriteSmall(int fd, const char* file, std::string_view text);

}  // namespace bulkhead
