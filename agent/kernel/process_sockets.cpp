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

// Sockets of any family: inode → one descriptor of the process. The link is "socket:[12345]".
Result<std::map<uint64_t, int>> SocketsOf(const std::string& process) {
  constexpr char kPrefix[] = "socket:[";
  std::unique_ptr<DIR, int (*)(DIR*)> fds(::opendir((process + "/fd").c_str()), ::closedir);
  if (!fds) return Errno(errno, fmt::format("open {}/fd", process));
  std::map<uint64_t, int> sockets;
  while (const dirent* entry = ::readdir(fds.get())) {
    char target[64] = {};
    if (::readlinkat(::dirfd(fds.get()), entry->d_name, target, sizeof(target) - 1) < 0)
      continue;  // ".", or closed now
    const std::string link = target;
    if (!link.starts_with(kPrefix) || !link.ends_with(']')) continue;
    const auto inode = ParseUnsigned(link.substr(sizeof(kPrefix) - 1, link.size() - sizeof(kPrefix)));
    const auto fd = ParseUnsigned(entry->d_name);
    if (inode.ok() && fd.ok()) sockets[*inode] = static_cast<int>(*fd);
  }
  return sockets;
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

// The table of the process's own network namespace; the inode is the tenth column in all of them.
void CountTable(const std::string& path, std::map<uint64_t, int>& sockets, uint32_t& count) {
  const auto table = ReadFile(path);
  if (!table.ok()) return;  // no IPv6, or no such protocol in this kernel
  std::istringstream lines(*table);
  std::string line;
  std::getline(lines, line);  // headings
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string field;
    for (int column = 0; column < 10 && fields >> field; ++column) continue;
    const auto inode = ParseUnsigned(field);
    if (inode.ok() && sockets.erase(*inode) > 0) ++count;
  }
}

}  // namespace

Result<uint32_t> CountInetSockets(int pid) {
  const std::string process = fmt::format("/proc/{}", pid);
  BULKHEAD_ASSIGN(auto sockets, SocketsOf(process));
  uint32_t count = CountByAsking(pid, sockets);
  for (const char* table : {"tcp", "tcp6", "udp", "udp6", "raw", "raw6"}) {
    if (sockets.empty()) break;
    CountTable(fmt::format("{}/net/{}", process, table), sockets, count);
  }
  return count;
}

}  // namespace bulkhead
