#include "agent/kernel/process_sockets.h"

#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include <gmock/gmock.h>

#include "agent/base/unique_fd.h"
#include "tests/support/matchers.h"

namespace bulkhead {
namespace {

using test::IsOk;

UniqueFd Socket(int family, int type) { return UniqueFd(::socket(family, type | SOCK_CLOEXEC, 0)); }

TEST(CountInetSockets, CountsInternetSocketsOfBothFamiliesOnce) {
  BULKHEAD_TEST_ASSIGN(const uint32_t before, CountInetSockets(::getpid()));
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
  BULKHEAD_TEST_ASSIGN(const uint32_t after, CountInetSockets(::getpid()));
  EXPECT_EQ(after, before + visible);
  held.clear();
  BULKHEAD_TEST_ASSIGN(const uint32_t closed, CountInetSockets(::getpid()));
  EXPECT_EQ(closed, before);
}

TEST(CountInetSockets, ProcessThatIsGoneIsNotFound) {
  EXPECT_THAT(CountInetSockets(4'999'999), test::StatusIs(StatusCode::kNotFound, ::testing::HasSubstr("4999999")));
}

}  // namespace
}  // namespace bulkhead
