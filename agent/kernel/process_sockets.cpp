#include "agent/kernel/process_sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/base/unique_fd.h"

namespace bulkhead {
namespace {

struct Held {
  std::map<uint64_t, int> sockets;  // of any family: inode → one descriptor of the process
  int denied = 0;                   // descriptors that may not be looked at
};

// The link of a socket is "socket:[12345]".
Result<Held> DescriptorsOf(const std::string& process) {
  constexpr char kPrefix[] = "socket:[";
  std::unique_ptr<DIR, int (*)(DIR*)> fds(::opendir((process + "/fd").c_str()), ::closedir);
  if (!fds) return Errno(errno, fmt::format("open {}/fd", process));
  Held held;
  while (const dirent* entry = ::readdir(fds.get())) {
    char target[64] = {};
    if (::readlinkat(::dirfd(fds.get()), entry->d_name, target, sizeof(target) - 1) < 0) {
      if (errno == EACCES || errno == EPERM) ++held.denied;
      continue;  // else: ".", or closed now
    }
    const std::string link = target;
    if (!link.starts_with(kPrefix) || !link.ends_with(']')) continue;
    const auto inode = ParseUnsigned(link.substr(sizeof(kPrefix) - 1, link.size() - sizeof(kPrefix)));
    const auto fd = ParseUnsigned(entry->d_name);
    if (inode.ok() && fd.ok()) held.sockets[*inode] = static_cast<int>(*fd);
  }
  return held;
}

// Asks the sockets themselves, which also finds those that are neither bound nor connected yet. What may not be asked
// (no CAP_SYS_PTRACE, a system call filter) stays in `sockets`.
uint32_t CountByAsking(int pid, std::map<uint64_t, int>& sockets) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return 0;
  uint32_t count = 0;
  std::erase_if(sockets, [&](const auto& entry) {
    const UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), entry.second, 0)));
    int domain = 0;
    socklen_t size = sizeof(domain);
    if (!copy.valid() || ::getsockopt(copy.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
    if (domain == AF_INET || domain == AF_INET6) ++count;
    return true;
  });
  return count;
}

// A table of the process's own network namespace, and in which column it has the inode.
struct Table {
  const char* name;
  int inode_column;
  bool internet;
};
constexpr Table kTables[] = {{"tcp", 10, true},     {"tcp6", 10, true},     {"udp", 10, true},  {"udp6", 10, true},
                             {"udplite", 10, true}, {"udplite6", 10, true}, {"raw", 10, true},  {"raw6", 10, true},
                             {"icmp", 10, true},    {"icmp6", 10, true},    {"unix", 7, false}, {"netlink", 10, false},
                             {"packet", 9, false}};

// Takes out of `sockets` what the table lists; how many those were.
uint32_t TakeListed(const std::string& path, int inode_column, std::map<uint64_t, int>& sockets) {
  const auto table = ReadFile(path);
  if (!table.ok()) return 0;  // no IPv6, or no such protocol in this kernel
  uint32_t count = 0;
  std::istringstream lines(*table);
  std::string line;
  std::getline(lines, line);  // headings
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string field;
    for (int column = 0; column < inode_column && fields >> field; ++column) continue;
    const auto inode = ParseUnsigned(field);
    if (inode.ok() && sockets.erase(*inode) > 0) ++count;
  }
  return count;
}

}  // namespace

Result<InetSockets> CountInetSockets(int pid) {
  constexpr char kWhy[] = "the agent may not look into the process (CAP_SYS_PTRACE)";
  const std::string process = fmt::format("/proc/{}", pid);
  auto held = DescriptorsOf(process);
  if (held.status().code() == StatusCode::kPermissionDenied) return InetSockets{.unknown = kWhy};
  BULKHEAD_RETURN_IF_ERROR(held.status());
  std::map<uint64_t, int>& sockets = held->sockets;
  InetSockets found{.count = CountByAsking(pid, sockets)};
  for (const Table& table : kTables) {
    if (sockets.empty()) break;
    const uint32_t listed = TakeListed(fmt::format("{}/net/{}", process, table.name), table.inode_column, sockets);
    if (table.internet) found.count += listed;
  }
  if (held->denied > 0 || !sockets.empty()) found.unknown = kWhy;
  return found;
}

}  // namespace bulkhead
