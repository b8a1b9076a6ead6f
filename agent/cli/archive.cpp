#include "agent/cli/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>

#include <fmt/format.h>

#include "agent/base/unique_fd.h"

namespace bulkhead::cli {
namespace {

struct ArchiveDeleter {
  void operator()(archive* one) const noexcept { (void)archive_write_free(one); }  // closed before, where it matters
};
struct EntryDeleter {
  void operator()(archive_entry* one) const noexcept { archive_entry_free(one); }
};

// Removed at the end, unless it got its name.
class Temporary {
 public:
  static Result<Temporary> Create(const std::string& path) {
    std::string name = path + ".XXXXXX";
    UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));  // mode 0600
    if (!fd.valid()) return Errno(errno, "make a file beside " + path);
    return Temporary(std::move(name), std::move(fd));
  }
  Temporary(Temporary&& other) noexcept : name_(std::exchange(other.name_, "")), fd_(std::move(other.fd_)) {}
  ~Temporary() {
    if (!name_.empty()) (void)::unlink(name_.c_str());  // nobody needs half of it
  }
  int fd() const { return fd_.get(); }

  Status Name(const std::string& path, bool replace) {
    if (::fsync(fd_.get()) != 0) return Errno(errno, "sync " + name_);
    int done = -1;
    if (replace) {
      done = ::rename(name_.c_str(), path.c_str());
    } else {
      done = ::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
      // A file system that does not know the flag (NFS) makes links.
      if (done != 0 && errno == EINVAL && (done = ::link(name_.c_str(), path.c_str())) == 0)
        (void)::unlink(name_.c_str());
    }
    if (done != 0) return Errno(errno, "write " + path);
    name_.clear();
    return Ok();
  }

 private:
  Temporary(std::string name, UniqueFd fd) : name_(std::move(name)), fd_(std::move(fd)) {}
  std::string name_;
  UniqueFd fd_;
};

Status Error(archive* writer, const std::string& what) {
  const char* why = archive_error_string(writer);
  return FailedPrecondition(fmt::format("{}: {}", what, why == nullptr ? "unknown error" : why));
}

Status WriteFile(archive* writer, const std::string& name, const std::string& text, time_t time) {
  const std::unique_ptr<archive_entry, EntryDeleter> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(text.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0600);
  archive_entry_set_mtime(entry.get(), time, 0);
  if (archive_write_header(writer, entry.get()) != ARCHIVE_OK) return Error(writer, "write " + name);
  for (size_t written = 0; written < text.size();) {
    const la_ssize_t size = archive_write_data(writer, text.data() + written, text.size() - written);
    if (size <= 0) return Error(writer, "write " + name);
    written += static_cast<size_t>(size);
  }
  return Ok();
}

Status WriteAll(int fd, const std::string& top, const std::vector<BundleFile>& files) {
  const std::unique_ptr<archive, ArchiveDeleter> writer(archive_write_new());
  if (archive_write_set_format_pax_restricted(writer.get()) != ARCHIVE_OK ||
      archive_write_add_filter_gzip(writer.get()) != ARCHIVE_OK ||
      archive_write_open_fd(writer.get(), fd) != ARCHIVE_OK)
    return Error(writer.get(), "open the archive");
  const time_t now = ::time(nullptr);
  for (const BundleFile& file : files)
    BULKHEAD_RETURN_IF_ERROR(WriteFile(writer.get(), fmt::format("{}/{}", top, file.name), file.text, now));
  if (archive_write_close(writer.get()) != ARCHIVE_OK) return Error(writer.get(), "end the archive");
  return Ok();
}

}  // namespace

Result<size_t> WriteArchive(const std::string& path, bool replace, const std::string& top,
                            const std::vector<BundleFile>& files) {
  BULKHEAD_ASSIGN(Temporary temporary, Temporary::Create(path));
  BULKHEAD_RETURN_IF_ERROR(Annotate(WriteAll(temporary.fd(), top, files), path));
  struct stat status {};
  if (::fstat(temporary.fd(), &status) != 0) return Errno(errno, "look at " + path);
  BULKHEAD_RETURN_IF_ERROR(temporary.Name(path, replace));
  return static_cast<size_t>(status.st_size);
}

}  // namespace bulkhead::cli
