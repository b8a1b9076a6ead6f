#include "agent/base/host.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>

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

std::string RandomId() {
  unsigned char bytes[16] = {};
  if (::getrandom(bytes, sizeof(bytes), 0) != static_cast<ssize_t>(sizeof(bytes))) ::abort();  // never for <= 256 bytes
  std::string id;
  for (unsigned char byte : bytes) id += fmt::format("{:02x}", byte);
  return id;
}

std::string KernelRelease() {
  utsname name{};
  return ::uname(&name) == 0 ? name.release : "unknown";
}

KernelVersion ParseKernelRelease(const std::string& release) {
  KernelVersion version;
  if (std::sscanf(release.c_str(), "%d.%d", &version.first, &version.second) != 2) return {};
  return version;
}

uint64_t HostMemory() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

Result<uint64_t> EffectiveCapabilities() {
  BULKHEAD_ASSIGN(const std::string status, ReadFile("/proc/self/status"));
  const size_t at = status.find("CapEff:");
  if (at == std::string::npos) return Internal("/proc/self/status has no CapEff line");
  return std::strtoull(status.c_str() + at + 7, nullptr, 16);
}

Status CheckWritable(const std::string& directory) {
  const auto made = OpenAt(AT_FDCWD, directory, O_TMPFILE | O_WRONLY, 0600);
  if (made.ok()) return Ok();
  if (ErrnoOf(made.status()) != EOPNOTSUPP) return Annotate(made.status(), "write");
  // A file system without unnamed files: then what the permissions say must do.
  return ::access(directory.c_str(), W_OK) == 0 ? Ok() : Errno(errno, "write " + directory);
}

Result<uint64_t> DiskAvailable(const std::string& directory) {
  struct statvfs disk {};
  if (::statvfs(directory.c_str(), &disk) != 0) return Errno(errno, "examine the disk of " + directory);
  return disk.f_bavail * disk.f_frsize;
}

}  // namespace bulkhead
