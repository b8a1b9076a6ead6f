#include "agent/rpc/peer.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include <gtest/gtest.h>

#include "agent/base/unique_fd.h"
#include "agent/rpc/grpc_status.h"
#include "tests/support/temp_dir.h"

namespace bulkhead {
namespace {

TEST(UnifiedPath, IsTheLineOfTheV2Hierarchy) {
  EXPECT_EQ(UnifiedPath("0::/bulkhead/acme/web-1\n"), "/bulkhead/acme/web-1");
  EXPECT_EQ(UnifiedPath("12:pids:/other\n3:cpu,cpuacct:/\n0::/here\n"), "/here");
  EXPECT_EQ(UnifiedPath("12:pids:/other\n"), std::nullopt);
  EXPECT_EQ(UnifiedPath(""), std::nullopt);
}

TEST(IsBelow, TakesWholeNames) {
  EXPECT_TRUE(IsBelow("/bulkhead", "/bulkhead"));
  EXPECT_TRUE(IsBelow("/bulkhead/acme/web-1", "/bulkhead"));
  EXPECT_FALSE(IsBelow("/bulkhead2/acme", "/bulkhead"));
  EXPECT_FALSE(IsBelow("/", "/bulkhead"));
  EXPECT_FALSE(IsBelow("/bulkhea", "/bulkhead"));
  EXPECT_TRUE(IsBelow("/anything", "/"));
}

TEST(ReadPeer, IsWhatTheKernelSays) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd a(ends[0]);
  const UniqueFd b(ends[1]);
  const auto peer = ReadPeer(a.get());
  ASSERT_TRUE(peer.ok()) << peer.status().ToString();
  EXPECT_EQ(peer->pid, ::getpid());
  EXPECT_EQ(peer->uid, ::getuid());
}

// A process with this pid that waits until `stay` is closed at the other end; -1 when that is refused.
pid_t ForkWithPid(pid_t pid, const UniqueFd& stay) {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<uint64_t>(&pid);
  arguments.set_tid_size = pid == 0 ? 0 : 1;
  const auto child = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
  if (child != 0) return child;
  char byte = 0;
  (void)!::read(stay.get(), &byte, 1);
  ::_exit(0);
}

// A connection outlives the process that made it, when that passed it on: its pid then says nothing.
TEST(Admit, WhoEverGetsThePidOfAPeerThatEndedIsNotThePeer) {
  test::TempDir dir;
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  (void)(dir / "l.sock").copy(address.sun_path, sizeof(address.sun_path) - 1);
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const pid_t peer = ::fork();
  if (peer == 0)
    ::_exit(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(peer, &status, 0), peer);
  ASSERT_EQ(status, 0);
  const UniqueFd accepted(::accept(listener.get(), nullptr, nullptr));

  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd stay(ends[0]);
  UniqueFd release(ends[1]);
  const pid_t heir = ForkWithPid(peer, stay);
  if (heir < 0) GTEST_SKIP() << "needs CAP_CHECKPOINT_RESTORE to choose a pid";
  const auto credentials = ReadPeer(accepted.get());
  const bool supported = !credentials.ok() || credentials->process.valid();
  const auto role = credentials.ok() ? Admit(*credentials, {.tenant_root = "/x"}) : credentials.status();
  ASSERT_EQ(::kill(heir, SIGKILL), 0);
  ASSERT_EQ(::waitpid(heir, nullptr, 0), heir);
  if (!supported) GTEST_SKIP() << "needs SO_PEERPIDFD (kernel 6.5)";
  EXPECT_EQ(role.status().code(), StatusCode::kPermissionDenied);
}

TEST(RoleOf, RootMayChangeAndGroupsCount) {
  const AccessRules rules{.read_group = "daemon", .admin_group = "bin", .tenant_root = "/x"};
  EXPECT_EQ(RoleOf({.uid = 0}, rules), Role::kChange);
  EXPECT_EQ(RoleOf({.uid = 1000, .groups = {1000, 2}}, rules), Role::kChange);
  EXPECT_EQ(RoleOf({.uid = 1000, .groups = {1}}, rules), Role::kRead);
  EXPECT_EQ(RoleOf({.uid = 1000, .groups = {1000}}, rules), Role::kNone);
  EXPECT_EQ(RoleOf({.uid = 1000, .groups = {0}}, {.read_group = "no-such", .admin_group = ""}), Role::kNone);
}

TEST(Admit, AProcessThatIsGoneIsRefused) {
  EXPECT_EQ(Admit({.pid = 0, .uid = 0}, {.tenant_root = "/x"}).status().code(), StatusCode::kPermissionDenied);
}

TEST(ToGrpc, KeepsCodeAndCutsLongMessagesAtACharacter) {
  const grpc::Status status = ToGrpc(NotFound("task acme/web-1: there is none"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "task acme/web-1: there is none");
  std::string text(1999, 'a');
  for (int i = 0; i < 1000; ++i) text += "é";
  const std::string cut = ToGrpc(Internal(text)).error_message();
  EXPECT_EQ(cut, std::string(1999, 'a') + " …");
}

}  // namespace
}  // namespace bulkhead
