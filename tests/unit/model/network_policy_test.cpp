#include "agent/model/network_policy.h"

#include <gmock/gmock.h>

namespace bulkhead {
namespace {

TEST(ParsePortRange, RoundTrips) {
  for (const char* text : {"tcp/80", "udp/8000-8009", "tcp", "icmp", "icmpv6", "sctp/9"})
    EXPECT_EQ(ParsePortRange(text)->ToString(), text);
}

TEST(ParsePortRange, RefusesNonsense) {
  for (const char* text :
       {"", "80", "tcp/", "tcp/80-", "tcp/9-8", "tcp/65536", "http", "icmp/8", "TCP/80", "tcp/80-90-95"})
    EXPECT_FALSE(ParsePortRange(text).ok()) << text;
}

TEST(Selects, NeedsTheTenantAndEveryLabel) {
  PolicySpec policy;
  policy.id = {"acme", "web"};
  EXPECT_TRUE(Selects(policy, "acme", {}));
  EXPECT_FALSE(Selects(policy, "other", {}));
  policy.select = {{"app", "web"}, {"tier", "front"}};
  EXPECT_TRUE(Selects(policy, "acme", {{"app", "web"}, {"tier", "front"}, {"x", "y"}}));
  EXPECT_FALSE(Selects(policy, "acme", {{"app", "web"}}));
  EXPECT_FALSE(Selects(policy, "acme", {{"app", "web"}, {"tier", "back"}}));
}

}  // namespace
}  // namespace bulkhead
