#include "agent/base/host.h"

#include <sys/utsname.h>

#include <sys/random.h>
#include <unistd.h>

#include <climits>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {

Result<std::string> BootId() {
  BULKHEAD_ASSIGN(const std::string text, ReadFile("/proc/sys/kernel/random/boot_id"));
  return Trim(text);
}

Result<std::string> MachineId() {
  if (auto text = ReadFile("/etc/machine-id"); text.ok() && !Trim(*text).empty()) return Trim(*text);
  const std::string name = HostName();
  if (name.empty()) return FailedPrecondition("no /etc/machine-id and no host name: set node.id in the configuration");
  return name;
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  (void)::gethostname(name, sizeof(name) - 1);  // on failure the name stays empty, which callers show as such
  return name;
}

std::string KernelRelease() {
  utsname name{};
  return ::uname(&name) == 0 ? name.release : "unknown";
}

std::string RandomId() {
  unsigned char bytes[16] = {};
  if (::getrandom(bytes, sizeof(bytes), 0) != static_cast<ssize_t>(sizeof(bytes))) ::abort();  // never for <= 256 bytes
  std::string id;
  for (unsigned char byte : bytes) id += fmt::format("{:02x}", byte);
  return id;
}

}  // namespace bulkhead
