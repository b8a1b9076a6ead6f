#include "agent/cli/command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>

#include "agent/base/unique_fd.h"

namespace bulkhead::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment() {
  std::vector<std::string> variables = {"LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", "NO_COLOR=1"};
  for (char** one = environ; *one != nullptr; ++one) {
    const std::string variable = *one;
    const auto same = [&](const std::string& ours) {
      return ours.starts_with(variable.substr(0, variable.find('=') + 1));
    };
    if (std::none_of(variables.begin(), variables.begin() + 4, same)) variables.push_back(variable);
  }
  return variables;
}

Result<pid_t> Spawn(std::vector<std::string> command, int output) {
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  std::vector<std::string> variables = Environment();
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, command.front().c_str(), &actions, nullptr, Pointers(command).data(),
                                 Pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return Errno(error, "run " + command.front());
  return pid;
}

// Until the end of the output; false when the deadline came first.
bool ReadUntil(int input, Clock::time_point deadline, size_t limit, CommandOutput& output) {
  std::array<char, 16384> buffer{};
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{.fd = input, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t size = ::read(input, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    const size_t room = limit - std::min(limit, output.text.size());
    output.text.append(buffer.data(), std::min(room, static_cast<size_t>(size)));
    output.cut = output.cut || static_cast<size_t>(size) > room;
  }
}

}  // namespace

Result<CommandOutput> RunCommand(const std::vector<std::string>& command, std::chrono::seconds timeout, size_t limit) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Errno(errno, "make a pipe");
  const UniqueFd input(ends[0]);
  UniqueFd child_end(ends[1]);
  BULKHEAD_ASSIGN(const pid_t pid, Spawn(command, child_end.get()));
  child_end.reset();
  CommandOutput output;
  const bool ended = ReadUntil(input.get(), Clock::now() + timeout, limit, output);
  if (!ended) (void)::kill(pid, SIGKILL);  // it is our child and not yet reaped, so the pid is still its own
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended)
    return MakeStatus(StatusCode::kDeadlineExceeded,
                      fmt::format("run {}: no end after {} s", command.front(), timeout.count()));
  output.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return output;
}

}  // namespace bulkhead::cli
