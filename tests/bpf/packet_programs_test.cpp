// The loaded packet programs on made packets: what passes, what is dropped and why.
#include <unistd.h>

#include <gmock/gmock.h>

#include "bpf/abi/policy.h"
#include "tests/support/builders.h"
#include "tests/support/matchers.h"
#include "tests/support/random_policy.h"
#include "tests/support/test_run.h"

namespace bulkhead::test {
namespace {

constexpr uint8_t kTcp = 6, kUdp = 17, kSctp = 132;
constexpr uint32_t kWeb = kFirstPrefixClass, kHole = kFirstPrefixClass + 1, kEverything = kFirstPrefixClass + 2;
const char* const kMine = "10.1.0.1";
const char* const kMine6 = "fd01::1";

// Egress: tcp/443 and udp/8000-8009 to 10.0.0.0/8 and fd00::/8, but for 10.9.0.0/16 and fd09::/16. Ingress: tcp/80 from
// anywhere. Same tenant: all, both ways; other tenants: nothing.
CompiledPolicy WebPolicy() {
  CompiledPolicy policy;
  policy.classes[{Direction::kEgress, kWeb}] = {{kTcp, true, 443, 443, 1}, {kUdp, true, 8000, 8009, 1}};
  policy.classes[{Direction::kEgress, kHole}] = {};
  policy.classes[{Direction::kIngress, kEverything}] = {{kTcp, true, 80, 80, 2}};
  for (const Direction direction : {Direction::kIngress, Direction::kEgress}) {
    policy.classes[{direction, kClassSameTenant}] = {{0, true, 0, 65535, 0}};
    policy.classes[{direction, kClassOtherTenant}] = {{0, false, 0, 65535, 0}};
  }
  policy.prefixes = {
      {Direction::kIngress, Prefix("0.0.0.0/0"), kEverything}, {Direction::kIngress, Prefix("::/0"), kEverything},
      {Direction::kEgress, Prefix("10.0.0.0/8"), kWeb},        {Direction::kEgress, Prefix("10.9.0.0/16"), kHole},
      {Direction::kEgress, Prefix("fd00::/8"), kWeb},          {Direction::kEgress, Prefix("fd09::/16"), kHole}};
  return policy;
}

class PacketPrograms : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto lab = Lab::Create();
    ASSERT_THAT(lab, IsOk());
    lab_ = *std::move(lab);
    lab_->Bind("acme/web", WebPolicy());
    lab_->Bind("acme/db", WebPolicy());
    lab_->Bind("evil/web", WebPolicy());
    run_ = std::make_unique<TestRun>(*lab_);
    lab_->Enter("acme/web");
  }
  bool Out(const Bytes& packet) { return run_->Run(DIR_EGRESS, packet).passed; }
  bool In(const Bytes& packet) { return run_->Run(DIR_INGRESS, packet).passed; }
  // Why this packet is dropped; kNone when it passes.
  DropReason Why(int direction, const Bytes& packet) {
    const auto before = lab_->Counters("acme/web").dropped[static_cast<size_t>(direction)];
    if (run_->Run(direction, packet).passed) return DropReason::kNone;
    const auto after = lab_->Counters("acme/web").dropped[static_cast<size_t>(direction)];
    for (size_t reason = 1; reason < kDropReasons; ++reason)
      if (after[reason] != before[reason]) return static_cast<DropReason>(reason);
    ADD_FAILURE() << "dropped but not counted";
    return DropReason::kNone;
  }

  std::unique_ptr<Lab> lab_;
  std::unique_ptr<TestRun> run_;
};

TEST_F(PacketPrograms, EgressFollowsPrefixesHolesAndPorts) {
  for (const auto& [to, inside] : {std::pair{"10.2.0.1", true}, {"10.9.0.1", false}, {"11.0.0.1", false}}) {
    EXPECT_EQ(Out(Packet(kMine, to).Tcp(40000, 443, kSyn)), inside) << to;
    EXPECT_FALSE(Out(Packet(kMine, to).Tcp(40000, 444, kSyn))) << to;
    EXPECT_EQ(Out(Packet(kMine, to).Udp(40000, 8000)), inside) << to;
  }
  for (const auto& [to, inside] : {std::pair{"fd02::1", true}, {"fd09::1", false}, {"2001:db8::1", false}}) {
    EXPECT_EQ(Out(Packet(kMine6, to).Tcp(40000, 443, kSyn)), inside) << to;
    EXPECT_EQ(Out(Packet(kMine6, to).Udp(40000, 8009)), inside) << to;
  }
}

TEST_F(PacketPrograms, RangesIncludeBothEnds) {
  for (const auto& [port, inside] : {std::pair{7999, false}, {8000, true}, {8009, true}, {8010, false}})
    EXPECT_EQ(Out(Packet(kMine, "10.2.0.1").Udp(40000, static_cast<uint16_t>(port))), inside) << port;
}

TEST_F(PacketPrograms, IngressIsJudgedByTheLocalPort) {
  EXPECT_TRUE(In(Packet("203.0.113.1", kMine).Tcp(40000, 80, kAck)));
  EXPECT_FALSE(In(Packet("203.0.113.1", kMine).Tcp(80, 40000, kAck))) << "the remote's port does not count";
  EXPECT_TRUE(In(Packet("2001:db8::1", kMine6).Tcp(40000, 80, kAck)));
  EXPECT_FALSE(In(Packet("203.0.113.1", kMine).Udp(40000, 80)));
}

TEST_F(PacketPrograms, TenantOfThePeerComesFirst) {
  ASSERT_THAT(lab_->maps().SetAddress(Address("10.2.0.1"), lab_->IdOf("evil/web")), IsOk());
  ASSERT_THAT(lab_->maps().SetAddress(Address("11.0.0.1"), lab_->IdOf("acme/db")), IsOk());
  EXPECT_FALSE(Out(Packet(kMine, "10.2.0.1").Tcp(40000, 443, kSyn))) << "another tenant's, though the prefix allows";
  EXPECT_TRUE(Out(Packet(kMine, "11.0.0.1").Tcp(40000, 22, kSyn))) << "the same tenant's, though no prefix does";
  EXPECT_FALSE(In(Packet("10.2.0.1", kMine).Tcp(40000, 80, kAck)));
  EXPECT_TRUE(In(Packet("11.0.0.1", kMine).Udp(40000, 9)));
  ASSERT_THAT(lab_->maps().UnbindTask(lab_->IdOf("acme/db")), IsOk());
  EXPECT_FALSE(Out(Packet(kMine, "11.0.0.1").Tcp(40000, 22, kSyn))) << "a task that is not bound is nobody's friend";
}

TEST_F(PacketPrograms, OddPacketsAreDroppedForTheirReason) {
  const Packet good(kMine, "10.2.0.1");
  EXPECT_EQ(Why(DIR_EGRESS, Packet(good).FragmentField(0x2000).Udp(1, 8000)), DropReason::kFragment);
  EXPECT_EQ(Why(DIR_EGRESS, Packet(good).FragmentField(0x0010).Udp(1, 8000)), DropReason::kFragment);
  EXPECT_EQ(Why(DIR_EGRESS, Packet(good).Options({131, 3, 4, 0}).Udp(1, 8000)), DropReason::kMalformed);
  EXPECT_EQ(Why(DIR_EGRESS, Packet(good).Options({1, 1, 1, 0}).Udp(1, 8000)), DropReason::kNone);
  EXPECT_EQ(Why(DIR_EGRESS, Packet(good).Raw(17, {0, 1, 0x1f})), DropReason::kMalformed) << "short UDP header";
  EXPECT_EQ(Why(DIR_EGRESS, Packet(good).Tcp(1, 444, kSyn)), DropReason::kPolicy);
  Packet six(kMine6, "fd02::1");
  for (int i = 0; i < 8; ++i) six.Extension(60, {0, 1, 4, 0, 0, 0, 0});
  EXPECT_EQ(Why(DIR_EGRESS, six.Udp(1, 8000)), DropReason::kNone);
  EXPECT_EQ(Why(DIR_EGRESS, six.Extension(60, {0, 1, 4, 0, 0, 0, 0}).Udp(1, 8000)), DropReason::kMalformed);
}

TEST_F(PacketPrograms, SourceAddressOfAnotherTaskIsSpoofed) {
  ASSERT_THAT(lab_->maps().SetAddress(Address("10.1.0.9"), lab_->IdOf("acme/db")), IsOk());
  ASSERT_THAT(lab_->maps().SetAddress(Address(kMine), lab_->IdOf("acme/web")), IsOk());
  EXPECT_EQ(Why(DIR_EGRESS, Packet("10.1.0.9", "10.2.0.1").Udp(1, 8000)), DropReason::kSpoofed);
  EXPECT_EQ(Why(DIR_EGRESS, Packet(kMine, "10.2.0.1").Udp(1, 8000)), DropReason::kNone);
}

TEST_F(PacketPrograms, UnboundTaskIsDropped) {
  lab_->Make("acme/new");
  lab_->Enter("acme/new");
  EXPECT_FALSE(Out(Packet(kMine, "10.2.0.1").Udp(1, 8000)));
  EXPECT_FALSE(In(Packet("10.2.0.1", kMine).Tcp(40000, 80, kAck)));
  BULKHEAD_TEST_ASSIGN(const NetworkCounters unknown, lab_->maps().ReadUnknown());
  for (const size_t direction : {0u, 1u})
    EXPECT_EQ(unknown.dropped[direction][static_cast<size_t>(DropReason::kUnknownTask)], 1u);
}

TEST_F(PacketPrograms, EveryPassingPacketIsCountedOnceInItsScope) {
  constexpr uint32_t kTimes = 1000;  // the first is judged, the others are known
  for (const char* to : {"10.2.0.1", "fd02::1"}) {
    const Bytes packet = Packet(*to == '1' ? kMine : kMine6, to).Tcp(40000, 443, kAck);
    const auto before = lab_->Counters("acme/web").passed[DIR_INGRESS];
    const Bytes in = Packet(to, *to == '1' ? kMine : kMine6).Tcp(40000, 80, kAck);
    ASSERT_TRUE(run_->Run(DIR_INGRESS, in, 0, kTimes).passed);
    const auto after = lab_->Counters("acme/web").passed[DIR_INGRESS];
    const auto scope = static_cast<size_t>(Scope::kPrivate);
    EXPECT_EQ(after[scope].packets - before[scope].packets, kTimes);
    EXPECT_EQ(after[scope].bytes - before[scope].bytes, kTimes * in.size());
  }
}

TEST_F(PacketPrograms, AgreeWithThePlainEvaluator) {
  RandomPolicies random(7);
  lab_->Make("acme/probe");
  uint64_t allowed = 0;
  for (int round = 0; round < 60; ++round) {
    const CompiledPolicy policy = random.Policy(round % 2 == 1);
    lab_->Bind("acme/web", policy);
    for (int i = 0; i < 60; ++i) {
      const Flow flow = random.FlowFor(policy);
      const bool out = flow.direction == Direction::kEgress;
      if (out && flow.protocol == kSctp) continue;  // leaves by loopback here, where its sockets cannot be found
      // On loopback nobody listens, so who the remote is comes from its address.
      const uint64_t owner = flow.remote == Remote::kSameTenant ? lab_->IdOf("acme/db") : lab_->IdOf("evil/web");
      if (flow.remote != Remote::kNoTask) {
        ASSERT_THAT(lab_->maps().SetAddress(flow.address, owner), IsOk());
      }
      const IpAddress mine = Address(flow.address.family == Family::kV4 ? "127.0.0.1" : "::1");
      const Packet packet = out ? Packet(mine, flow.address) : Packet(flow.address, mine);
      const uint16_t from = out ? 9 : 40000, to = flow.port;
      Bytes bytes = flow.protocol == kTcp   ? packet.Tcp(from, to, out ? kSyn : kAck)
                    : flow.protocol == kUdp ? packet.Udp(from, to)
                                            : packet.Raw(flow.protocol, Bytes(12, 0));
      if (flow.protocol == kSctp)  // it has its ports where UDP has them
        bytes =
            packet.Raw(kSctp, {0, 9, static_cast<uint8_t>(to >> 8), static_cast<uint8_t>(to), 0, 0, 0, 0, 0, 0, 0, 0});
      const Verdict expected = Evaluate(policy, flow);
      ASSERT_EQ(out ? Out(bytes) : In(bytes), expected.allow)
          << "round " << round << " flow " << i << ": " << (out ? "to " : "from ") << flow.address.ToString()
          << " proto " << int{flow.protocol} << " port " << flow.port << " remote " << static_cast<int>(flow.remote);
      allowed += expected.allow ? 1 : 0;
      ASSERT_THAT(lab_->maps().ClearAddress(flow.address), IsOk());
    }
  }
  EXPECT_GT(allowed, 300u) << "the flows hardly hit the rules: this would show nothing";
}

}  // namespace
}  // namespace bulkhead::test
