#include "agent/metrics/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

#include "agent/base/file_io.h"

namespace bulkhead {

Result<ProcessUse> ReadProcessUse() {
  ProcessUse use;
  rusage spent{};
  if (::getrusage(RUSAGE_SELF, &spent) != 0) return Errno(errno, "getrusage");
  for (const timeval& part : {spent.ru_utime, spent.ru_stime})
    use.cpu_seconds += static_cast<double>(part.tv_sec) + static_cast<double>(part.tv_usec) / 1e6;
  BULKHEAD_ASSIGN(const std::string pages, ReadFile("/proc/self/statm"));  // total resident …
  const size_t space = pages.find(' ');
  BULKHEAD_ASSIGN(const uint64_t resident,
                  ParseUnsigned(pages.substr(space + 1, pages.find(' ', space + 1) - space - 1)));
  use.resident_bytes = resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  std::error_code error;
  const std::filesystem::directory_iterator fds("/proc/self/fd", error);
  if (error) return Errno(error.value(), "list /proc/self/fd");
  use.open_fds = static_cast<uint64_t>(std::distance(begin(fds), end(fds))) - 1;  // one is the listing's own
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return Errno(errno, "getrlimit");
  use.max_fds = limit.rlim_cur;
  return use;
}

}  // namespace bulkhead
