#include "agent/rpc/peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include <gtest/gtest.h>

#include "agent/base/unique_fd.h"
#include "agent/rpc/grpc_status.h"

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
