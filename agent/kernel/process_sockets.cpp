#include "agent/kernel/process_sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

// "socket:[12345]" for every socket, of any family.
Result<std::set<uint64_t>> SocketInodes(const std::string& process) {
  constexpr char kPrefix[] = "socket:[";
  std::unique_ptr<DIR, int (*)(DIR*)> fds(::opendir((process + "/fd").c_str()), ::closedir);
  if (!fds) return Errno(errno, fmt::format("open {}/fd", process));
  std::set<uint64_t> inodes;
  while (const dirent* entry = ::readdir(fds.get())) {
    char target[64] = {};
    if (::readlinkat(::dirfd(fds.get()), entry->d_name, target, sizeof(target) - 1) < 0)
      continue;  // ".", or closed now
    const std::string link = target;
    if (!link.starts_with(kPrefix) || !link.ends_with(']')) continue;
    const auto inode = ParseUnsigned(link.substr(sizeof(kPrefix) - 1, link.size() - sizeof(kPrefix)));
    if (inode.ok()) inodes.insert(*inode);
  }
  return inodes;
}

// The table of the process's own network namespace; the inode is the tenth column in all of them.
void CountTable(const std::string& path, std::set<uint64_t>& sockets, uint32_t& count) {
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
  BULKHEAD_ASSIGN(std::set<uint64_t> sockets, SocketInodes(process));
  uint32_t count = 0;
  for (const char* table : {"tcp", "tcp6", "udp", "udp6", "raw", "raw6"}) {
    if (sockets.empty()) break;
    CountTable(fmt::format("{}/net/{}", process, table), sockets, count);
  }
  return count;
}

}  // namespace bulkhead
