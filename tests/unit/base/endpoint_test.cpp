#include "agent/base/endpoint.h"

#include "tests/support/matchers.h"

namespace bulkhead {
namespace {

using test::IsOk;
using test::StatusIs;
using ::testing::HasSubstr;

TEST(ParseEndpoint, KnowsWhatStaysOnTheHost) {
  for (const char* local : {"unix:///run/a.sock", "unix:/run/a.sock", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1",
                            "localhost:65535", "127.0.0.1:0"}) {
    const auto endpoint = ParseEndpoint(local);
    ASSERT_THAT(endpoint, IsOk()) << local;
    EXPECT_TRUE(endpoint->local) << local;
  }
  for (const char* remote : {"10.0.0.1:1", "0.0.0.0:1", "[::]:1", "example.org:443", "127.0.0.1.example.org:1",
                             "localhost.example.org:1", "128.0.0.1:1", "[::ffff:10.0.0.1]:1"}) {
    const auto endpoint = ParseEndpoint(remote);
    ASSERT_THAT(endpoint, IsOk()) << remote;
    EXPECT_FALSE(endpoint->local) << remote;
  }
}

TEST(ParseEndpoint, GivesTheFormThatGrpcTakes) {
  EXPECT_EQ(ParseEndpoint("unix:///run/a.sock")->target, "unix:/run/a.sock");
  EXPECT_TRUE(ParseEndpoint("unix:///run/a.sock")->unix_socket);
  EXPECT_EQ(ParseEndpoint("[::1]:443")->target, "[::1]:443");
  EXPECT_FALSE(ParseEndpoint("[::1]:443")->unix_socket);
}

TEST(ParseEndpoint, RefusesTheRestByName) {
  for (const char* bad : {"", ":1", "host", "host:", "host:x", "host:65536", "host:-1", "http://host:1",
                          "unix:", "unix://relative", "::1:443", "dns:///host:1"})
    EXPECT_THAT(ParseEndpoint(bad), StatusIs(StatusCode::kInvalidArgument, HasSubstr(bad))) << bad;
  EXPECT_THAT(ParseEndpoint("unix:///" + std::string(120, 'x')),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("107 bytes")));
}

}  // namespace
}  // namespace bulkhead
