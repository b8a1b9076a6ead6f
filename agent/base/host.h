// Who this host is, and what this process may do on it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "agent/base/status.h"

namespace bulkhead {

Result<std::string> BootId();     // changes with every boot
Result<std::string> MachineId();  // /etc/machine-id; falls back to the host name where there is none
std::string HostName();
std::string RandomId();  // 128 random bits, 32 hex digits

std::string KernelRelease();                                   // as in uname -r; "unknown" should the kernel not say
using KernelVersion = std::pair<int, int>;                     // major, minor
KernelVersion ParseKernelRelease(const std::string& release);  // "6.1.0-50-cloud-amd64" → 6.1; 0.0 for anything else

uint64_t HostMemory();                                         // bytes
Result<uint64_t> EffectiveCapabilities();                      // of this process, bit CAP_x for each
Status CheckWritable(const std::string& directory);            // by making a file there that never gets a name
Result<uint64_t> DiskAvailable(const std::string& directory);  // bytes that this process may still take

}  // namespace bulkhead
