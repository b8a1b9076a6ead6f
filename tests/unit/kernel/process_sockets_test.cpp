#include "agent/kernel/process_sockets.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <vector>

#include <gmock/gmock.h>

#include "agent/base/unique_fd.h"
#include "tests/support/matchers.h"

namespace bulkhead {
namespace {

using test::IsOk;

UniqueFd Socket(int family, int type) { return UniqueFd(::socket(family, type | SOCK_CLOEXEC, 0)); }

TEST(CountInetSockets, CountsInternetSocketsOfBothFamiliesOnce) {
  BULKHEAD_TEST_ASSIGN(const InetSockets before, CountInetSockets(::getpid()));
  std::vector<UniqueFd> held;
  uint32_t visible = 0;
  for (int family : {AF_INET, AF_INET6}) {
    UniqueFd listener = Socket(family, SOCK_STREAM);
    if (!listener.valid()) continue;            // a host without IPv6
    ASSERT_EQ(::listen(listener.get(), 1), 0);  // binds a free port of any address
    ++visible;
    held.emplace_back(::dup(listener.get()));  // the same socket
    held.push_back(std::move(listener));
  }
  held.push_back(Socket(AF_UNIX, SOCK_STREAM));
  held.push_back(Socket(AF_INET, SOCK_DGRAM));  // not bound: it may still send later
  ++visible;
  BULKHEAD_TEST_ASSIGN(const InetSockets after, CountInetSockets(::getpid()));
  EXPECT_EQ(after.count, before.count + visible);
  EXPECT_EQ(after.unknown, "");
  held.clear();
  BULKHEAD_TEST_ASSIGN(const InetSockets closed, CountInetSockets(::getpid()));
  EXPECT_EQ(closed.count, before.count);
}

// Another process, which does this and then nothing.
class Other {
 public:
  explicit Other(const std::function<void()>& first) {
    std::array<int, 2> ready{};
    EXPECT_EQ(::pipe(ready.data()), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      first();
      (void)!::write(ready[1], "r", 1);
      while (true) ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;
  ~Other() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  int pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

// What a process counts that has given something up first, for ever.
Result<InetSockets> CountAfter(const std::function<void()>& give_up, int pid) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    give_up();
    const auto found = CountInetSockets(pid);
    const std::string said =
        found.ok() ? std::to_string(found->count) + " " + found->unknown : "error " + Message(found.status());
    (void)!::write(ends[1], said.data(), said.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  ::waitpid(child, nullptr, 0);
  std::array<char, 512> text{};
  const ssize_t size = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  const std::string said(text.data(), static_cast<size_t>(std::max<ssize_t>(size, 0)));
  const size_t space = said.find(' ');
  if (said.starts_with("error") || space == std::string::npos) return Internal(said);
  return InetSockets{static_cast<uint32_t>(std::stoul(said)), said.substr(space + 1)};
}

void GiveUpPtrace() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  (void)::syscall(SYS_capget, &header, data.data());
  data[0].effective &= ~(1U << static_cast<unsigned>(CAP_SYS_PTRACE));
  (void)::syscall(SYS_capset, &header, data.data());
}

void GiveUpAsking() {
  std::array<sock_filter, 4> filter{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_getfd, 0, 1),
                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                                     BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
  const sock_fprog program{filter.size(), filter.data()};
  (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  (void)::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

TEST(CountInetSockets, ProcessThatMayNotBeLookedIntoIsUnknownAndNotWithout) {
  const Other secretive([] {
    (void)Socket(AF_INET, SOCK_DGRAM).release();
    (void)::prctl(PR_SET_DUMPABLE, 0);  // like a process of another user
  });
  BULKHEAD_TEST_ASSIGN(const InetSockets found, CountAfter(GiveUpPtrace, secretive.pid()));
  EXPECT_THAT(found.unknown, ::testing::HasSubstr("CAP_SYS_PTRACE"));
}

TEST(CountInetSockets, SocketThatNoTableListsIsUnknownWhereItCannotBeAsked) {
  const Other listed([] {
    (void)Socket(AF_UNIX, SOCK_STREAM).release();
    UniqueFd listener = Socket(AF_INET, SOCK_STREAM);
    (void)::listen(listener.release(), 1);
  });
  BULKHEAD_TEST_ASSIGN(const InetSockets exact, CountAfter(GiveUpAsking, listed.pid()));
  EXPECT_EQ(exact.count, 1U);
  EXPECT_EQ(exact.unknown, "");
  const Other unbound([] { (void)Socket(AF_INET, SOCK_DGRAM).release(); });
  BULKHEAD_TEST_ASSIGN(const InetSockets vague, CountAfter(GiveUpAsking, unbound.pid()));
  EXPECT_EQ(vague.count, 0U);
  EXPECT_THAT(vague.unknown, ::testing::HasSubstr("CAP_SYS_PTRACE"));
}

TEST(CountInetSockets, ProcessThatIsGoneIsNotFound) {
  EXPECT_THAT(CountInetSockets(4'999'999), test::StatusIs(StatusCode::kNotFound, ::testing::HasSubstr("4999999")));
}

}  // namespace
}  // namespace bulkhead
