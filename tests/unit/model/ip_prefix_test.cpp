#include "agent/model/ip_prefix.h"

#include <gmock/gmock.h>

namespace bulkhead {
namespace {

using ::testing::HasSubstr;

TEST(ParsePrefix, RoundTrips) {
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "::/0", "fd00::/8", "2001:db8::1/128"})
    EXPECT_EQ(ParsePrefix(text)->ToString(), text);
  EXPECT_EQ(ParsePrefix("192.0.2.1")->ToString(), "192.0.2.1/32");
}

TEST(ParsePrefix, RefusesHostBitsAndShowsBothReadings) {
  const auto prefix = ParsePrefix("10.1.2.3/8");
  ASSERT_FALSE(prefix.ok());
  EXPECT_THAT(Message(prefix.status()), HasSubstr("write 10.0.0.0/8 or 10.1.2.3/32"));
}

TEST(ParsePrefix, RefusesNonsense) {
  for (const char* text : {"", "/8", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
                           "10.0.0.0/ 8", "::ffff:10.0.0.0/104", "example.com/8"})
    EXPECT_FALSE(ParsePrefix(text).ok()) << text;
}

TEST(ParseAddress, MappedAddressIsTheIpv4AddressOnTheWire) {
  EXPECT_EQ(*ParseAddress("::ffff:192.0.2.7"), *ParseAddress("192.0.2.7"));
}

TEST(IpPrefix, ContainsByFamilyAndBits) {
  const IpPrefix ten = *ParsePrefix("10.0.0.0/8");
  EXPECT_TRUE(ten.Contains(*ParseAddress("10.255.0.1")));
  EXPECT_FALSE(ten.Contains(*ParseAddress("11.0.0.0")));
  EXPECT_FALSE(ParsePrefix("::/0")->Contains(*ParseAddress("10.0.0.1")));
  EXPECT_TRUE(ten.Contains(*ParsePrefix("10.1.0.0/16")));
  EXPECT_FALSE(ParsePrefix("10.1.0.0/16")->Contains(ten));
  EXPECT_TRUE(ParsePrefix("192.0.2.128/25")->Contains(*ParseAddress("192.0.2.129")));
  EXPECT_FALSE(ParsePrefix("192.0.2.128/25")->Contains(*ParseAddress("192.0.2.127")));
}

}  // namespace
}  // namespace bulkhead
