// A disk of a test's own: a loop device on a file that has no name.
#pragma once

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "agent/base/file_io.h"
#include "agent/base/status.h"
#include "agent/base/unique_fd.h"
#include "agent/model/disk_id.h"

namespace bulkhead::test {

class LoopDisk {
 public:
  static constexpr off_t kBytes = 16 << 20;

  // The kernel takes it down when the last descriptor is closed, also after a crash.
  static Result<std::unique_ptr<LoopDisk>> Create() {
    BULKHEAD_ASSIGN(const UniqueFd control, OpenAt(AT_FDCWD, "/dev/loop-control", O_RDWR));
    UniqueFd file(::open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!file.valid() || ::ftruncate(file.get(), kBytes) != 0) return Errno(errno, "make a file in /var/tmp");
    for (int attempt = 0; attempt < 10; ++attempt) {  // somebody else may be faster
      const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
      if (number < 0) return Errno(errno, "find a free loop device");
      std::unique_ptr<LoopDisk> disk(new LoopDisk(fmt::format("/dev/loop{}", number)));
      BULKHEAD_ASSIGN(disk->fd_, OpenAt(AT_FDCWD, disk->path_, O_RDWR));
      loop_config config{};
      config.fd = static_cast<__u32>(file.get());
      config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
      if (::ioctl(disk->fd_.get(), LOOP_CONFIGURE, &config) == 0) return disk;
      if (errno != EBUSY) return Errno(errno, "set up " + disk->path_);
    }
    return Errno(EBUSY, "set up a loop device");
  }

  DiskId id() const {
    struct stat info {};
    (void)::fstat(fd_.get(), &info);  // it is open
    return {major(info.st_rdev), minor(info.st_rdev)};
  }

  // Reads (O_RDONLY) or writes (O_WRONLY) so many bytes past the page cache; the caller's cgroup is charged.
  bool Transfer(int mode, uint64_t bytes) const {
    constexpr size_t kBlock = 64 << 10;
    const UniqueFd fd(::open(path_.c_str(), mode | O_DIRECT | O_CLOEXEC));
    void* block = std::aligned_alloc(4096, kBlock);
    uint64_t done = 0;
    while (block != nullptr && fd.valid() && done < bytes) {
      const ssize_t count = mode == O_RDONLY ? ::pread(fd.get(), block, kBlock, static_cast<off_t>(done))
                                             : ::pwrite(fd.get(), block, kBlock, static_cast<off_t>(done));
      if (count <= 0) break;
      done += static_cast<uint64_t>(count);
    }
    std::free(block);
    return done >= bytes;
  }

 private:
  explicit LoopDisk(std::string path) : path_(std::move(path)) {}
  std::string path_;
  UniqueFd fd_;
};

}  // namespace bulkhead::test
