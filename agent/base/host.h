// Who this host is.
#pragma once

#include <string>

#include "agent/base/status.h"

namespace bulkhead {

Result<std::string> BootId();     // changes with every boot
Result<std::string> MachineId();  // /etc/machine-id; falls back to the host name where there is none
std::string HostName();
std::string KernelRelease();  // as in uname -r
std::string RandomId();       // 128 random bits, 32 hex digits

}  // namespace bulkhead
