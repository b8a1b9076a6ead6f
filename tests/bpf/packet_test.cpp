// The kernel's packet parser, compiled for the host.
#include <gmock/gmock.h>

#include "tests/bpf/host_verdict.h"
#include "tests/support/builders.h"

namespace bulkhead::test {
namespace {

constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51, kDestination = 60;
const Bytes kEightBytes{0, 0, 0, 0, 0, 0, 0};  // an extension of 8 bytes, without its next-header byte

int Parse(Bytes bytes, packet& out) {
  out = {};
  return bytes.at(0) >> 4 == 4 ? packet_parse_v4(&bytes, &out) : packet_parse_v6(&bytes, &out);
}

int Reason(const Bytes& bytes) {
  packet ignored;
  return Parse(bytes, ignored);
}

Packet Four() { return Packet("10.0.0.1", "10.0.0.2"); }
Packet Six() { return Packet("fd00::1", "fd00::2"); }

TEST(ParsePacket, FindsAddressesPortsAndHeaderLength) {
  packet parsed;
  ASSERT_EQ(Parse(Four().Options({1, 1, 1, 0}).Tcp(40000, 443, kSyn), parsed), DROP_NONE);
  EXPECT_EQ(parsed.family, FAMILY_V4);
  EXPECT_EQ(parsed.protocol, 6);
  EXPECT_EQ(parsed.source[3], 1);
  EXPECT_EQ(parsed.destination[3], 2);
  EXPECT_EQ(ntohs(parsed.source_port), 40000);
  EXPECT_EQ(ntohs(parsed.destination_port), 443);
  EXPECT_EQ(parsed.tcp_flags, kSyn);
  EXPECT_EQ(parsed.header, 44u);
  ASSERT_EQ(Parse(Six().Udp(53, 54), parsed), DROP_NONE);
  EXPECT_EQ(parsed.family, FAMILY_V6);
  EXPECT_EQ(parsed.destination[15], 2);
  EXPECT_EQ(ntohs(parsed.destination_port), 54);
  EXPECT_EQ(parsed.header, 48u);
}

TEST(ParsePacket, EveryTruncationIsMalformed) {
  for (const Bytes& whole : {Four().Tcp(1, 2, kSyn), Four().Options({1, 1, 1, 0}).Udp(1, 2), Six().Tcp(1, 2, kSyn),
                             Six().Extension(kHopByHop, kEightBytes).Udp(1, 2)})
    for (size_t length = 1; length < whole.size(); ++length)
      EXPECT_EQ(Reason(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length))), DROP_MALFORMED);
}

TEST(ParsePacket, HeaderLengthsThatLieAreMalformed) {
  Bytes bytes = Four().Tcp(1, 2, kSyn);
  bytes[0] = 0x44;
  EXPECT_EQ(Reason(bytes), DROP_MALFORMED) << "IP header of 16 bytes";
  bytes = Four().Tcp(1, 2, kSyn);
  bytes[32] = 0x40;
  EXPECT_EQ(Reason(bytes), DROP_MALFORMED) << "TCP header of 16 bytes";
}

TEST(ParsePacket, SourceRoutesAreRefusedWhereverTheyStand) {
  EXPECT_EQ(Reason(Four().Options({131, 3, 4, 0}).Udp(1, 2)), DROP_MALFORMED);
  EXPECT_EQ(Reason(Four().Options({1, 7, 3, 4, 137, 3, 4, 0}).Udp(1, 2)), DROP_MALFORMED);
  EXPECT_EQ(Reason(Four().Options({7, 1, 0, 0}).Udp(1, 2)), DROP_MALFORMED) << "an option of length 1 never ends";
  EXPECT_EQ(Reason(Four().Options({0, 131, 3, 4}).Udp(1, 2)), DROP_NONE) << "past the end of the list";
  EXPECT_EQ(Reason(Four().Options({148, 4, 131, 137}).Udp(1, 2)), DROP_NONE) << "data of a router alert";
  EXPECT_EQ(Reason(Six().Extension(kRouting, {0, 2, 1, 0, 0, 0, 0}).Udp(1, 2)), DROP_MALFORMED) << "one segment left";
  EXPECT_EQ(Reason(Six().Extension(kRouting, {0, 2, 0, 0, 0, 0, 0}).Udp(1, 2)), DROP_NONE);
}

TEST(ParsePacket, FragmentsAreToldApart) {
  EXPECT_EQ(Reason(Four().FragmentField(0x2000).Udp(1, 2)), DROP_FRAGMENT) << "first of several";
  EXPECT_EQ(Reason(Four().FragmentField(0x0001).Udp(1, 2)), DROP_FRAGMENT) << "a later one";
  EXPECT_EQ(Reason(Four().FragmentField(0x4000).Udp(1, 2)), DROP_NONE) << "do not fragment";
  EXPECT_EQ(Reason(Six().Extension(kFragment, {0, 0, 1, 0, 0, 0, 1}).Udp(1, 2)), DROP_FRAGMENT);
  EXPECT_EQ(Reason(Six().Extension(kFragment, {0, 0, 8, 0, 0, 0, 1}).Udp(1, 2)), DROP_FRAGMENT);
  EXPECT_EQ(Reason(Six().Extension(kFragment, {9, 0, 0, 0, 0, 0, 1}).Udp(1, 2)), DROP_NONE) << "atomic";
}

TEST(ParsePacket, ExtensionChainsAreFollowedToTheirBound) {
  for (const uint8_t type : {kHopByHop, kDestination, kAuthentication}) {
    Packet packet_bytes = Six();
    // AH counts in words of four bytes, minus two.
    for (int i = 0; i < 8; ++i) packet_bytes.Extension(type, kEightBytes);
    packet parsed;
    ASSERT_EQ(Parse(packet_bytes.Udp(7, 8), parsed), DROP_NONE);
    EXPECT_EQ(ntohs(parsed.destination_port), 8);
    EXPECT_EQ(Reason(packet_bytes.Extension(type, kEightBytes).Udp(7, 8)), DROP_MALFORMED) << "nine";
  }
}

TEST(ParsePacket, ProtocolsWithoutPortsHaveNone) {
  packet parsed;
  ASSERT_EQ(Parse(Four().Icmp(), parsed), DROP_NONE);
  EXPECT_EQ(parsed.destination_port, 0);
  ASSERT_EQ(Parse(Six().Raw(50, Bytes(20, 0xff)), parsed), DROP_NONE) << "ESP";
  EXPECT_EQ(parsed.destination_port, 0);
}

}  // namespace
}  // namespace bulkhead::test
