#include "agent/cli/launch.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead::cli {
namespace {

constexpr int kNotFoundExit = 127;
constexpr int kCannotRunExit = 126;

sigset_t WaitedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGQUIT}) sigaddset(&set, signal);
  return set;
}

[[noreturn]] void Complain(const std::string& what, int error) {
  const std::string line = fmt::format("bulkheadctl: run: {}: {}\n", what, std::strerror(error));
  (void)!::write(STDERR_FILENO, line.data(), line.size());  // nobody left to tell
  ::_exit(error == ENOENT ? kNotFoundExit : kCannotRunExit);
}

void Become(const User& user) {
  if (::setgroups(user.groups.size(), user.groups.data()) != 0) Complain("take on the user's groups", errno);
  if (::setresgid(user.gid, user.gid, user.gid) != 0) Complain("take on the user's group", errno);
  if (::setresuid(user.uid, user.uid, user.uid) != 0) Complain("take on the user", errno);
}

// The whole life of the child.
[[noreturn]] void RunChild(int go, const sigset_t& mask, const std::vector<std::string>& command,
                           const std::optional<User>& user) {
  (void)::sigprocmask(SIG_SETMASK, &mask, nullptr);  // a mask that was read before
  char byte = 0;
  ssize_t size = 0;
  while ((size = ::read(go, &byte, 1)) < 0 && errno == EINTR) {
  }
  if (size != 1) ::_exit(kCannotRunExit);  // nobody to place us any more: never run outside the walls
  if (::close_range(STDERR_FILENO + 1, std::numeric_limits<unsigned>::max(), 0) != 0)
    Complain("close inherited descriptors", errno);
  if (user) Become(*user);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments.front(), arguments.data());
  Complain(command.front(), errno);
}

}  // namespace

Result<User> FindUser(const std::string& text) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  int error = ::getpwnam_r(text.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (const auto number = ParseUnsigned(text); found == nullptr && number.ok() && *number < 0xFFFFFFFFULL) {
    const auto uid = static_cast<uid_t>(*number);
    error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) return User{.uid = uid, .gid = uid, .groups = {uid}};  // a number needs no entry
  }
  if (error != 0) return Errno(error, "look up user " + text);
  if (found == nullptr) return NotFound(fmt::format("--user {}: there is no such user", text));
  User user{.uid = entry.pw_uid, .gid = entry.pw_gid, .groups = {}};
  int count = 64;
  user.groups.resize(static_cast<size_t>(count));
  if (::getgrouplist(entry.pw_name, entry.pw_gid, user.groups.data(), &count) < 0) {
    user.groups.resize(static_cast<size_t>(count));
    (void)::getgrouplist(entry.pw_name, entry.pw_gid, user.groups.data(), &count);  // now large enough
  }
  user.groups.resize(static_cast<size_t>(count));
  return user;
}

Result<Launch> Launch::Prepare(const std::vector<std::string>& command, const std::optional<User>& user) {
  if (command.empty()) return InvalidArgument("there is no command to run");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Errno(errno, "make a pipe");
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  (void)std::signal(SIGCHLD, SIG_DFL);  // whoever started us may ignore it, and then nobody can be waited for
  const sigset_t waited = WaitedSignals();
  sigset_t before;
  if (::sigprocmask(SIG_BLOCK, &waited, &before) != 0) return Errno(errno, "block signals");
  const pid_t pid = ::fork();
  if (pid < 0) return Errno(errno, "fork");
  if (pid == 0) {
    write_end.reset();  // or the end of file would never come
    RunChild(read_end.get(), before, command, user);
  }
  return Launch(pid, std::move(write_end));
}

Launch::~Launch() {
  if (!go_.valid()) return;
  go_.reset();
  (void)::waitpid(pid_, nullptr, 0);  // it ends at once
}

Status Launch::Go() {
  const char byte = 'g';
  void (*before)(int) = std::signal(SIGPIPE, SIG_IGN);  // the child may have been killed
  const ssize_t size = ::write(go_.get(), &byte, 1);
  const int error = errno;
  (void)std::signal(SIGPIPE, before);
  if (size != 1 && error != EPIPE) return Errno(error, "start the command");
  go_.reset();  // a child that was killed meanwhile is found by Wait
  return Ok();
}

Result<int> Launch::Wait() {
  const sigset_t waited = WaitedSignals();
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended < 0) return Errno(errno, "wait for the command");
    if (ended == pid_) return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    siginfo_t info{};
    const int signal = ::sigwaitinfo(&waited, &info);
    if (signal < 0 || signal == SIGCHLD) continue;  // EINTR: a debugger, or a stop and continue
    const bool terminal = (signal == SIGINT || signal == SIGQUIT) && info.si_code == SI_KERNEL;
    if (!terminal) (void)::kill(pid_, signal);  // not reaped yet, so the id is still its own
  }
}

}  // namespace bulkhead::cli
