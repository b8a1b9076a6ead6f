// Who reaches whom: every task probes every other one, over TCP and UDP, IPv4 and IPv6; on one network namespace and
// across one per task. A failure prints the matrix.
#include <unistd.h>

#include <cerrno>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/plan/policy_compiler.h"
#include "tests/support/builders.h"
#include "tests/support/lab.h"
#include "tests/support/matchers.h"
#include "tests/support/sockets.h"

namespace bulkhead::test {
namespace {

constexpr int kDeniedMs = 250;  // of a probe that nobody answers; one that should pass waits as long as it needs

struct Member {
  std::string name;
  std::string tenant;
  std::string v4, v6;
  uint16_t port = 0;
  UniqueFd netns;  // none: the lab's
};
// Does the connection's opener get through?
using Expectation = std::function<bool(const Member& from, const Member& to, Transport transport)>;

bool SameTenant(const Member& from, const Member& to, Transport) { return from.tenant == to.tenant; }

class AllPairs : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto lab = Lab::Create();
    ASSERT_THAT(lab, IsOk());
    lab_ = *std::move(lab);
    uint16_t port = 7001;
    for (const char* tenant : {"acme", "evil"})
      for (const char* task : {"a", "b", "c"})
        members_.push_back({fmt::format("{}/{}", tenant, task), tenant, "127.0.0.1", "::1", port++, UniqueFd()});
    if (GetParam()) SpreadOverNamespaces();
  }

  // Each task in a namespace of its own, all on one bridge; their addresses are stated to the data plane.
  void SpreadOverNamespaces() {
    lab_->Ip(-1, "link add br0 type bridge");
    lab_->Ip(-1, "link set br0 up");
    for (size_t i = 0; i < members_.size(); ++i) {
      Member& member = members_[i];
      member.v4 = fmt::format("10.77.0.{}", i + 1);
      member.v6 = fmt::format("fd77::{}", i + 1);
      member.port = 7000;
      member.netns = lab_->MakeNetns();
      lab_->Ip(-1, fmt::format("link add v{} type veth peer name eth0 netns /proc/{}/fd/{}", i, ::getpid(),
                               member.netns.get()));
      lab_->Ip(-1, fmt::format("link set v{} master br0 up", i));
      lab_->Ip(member.netns.get(), fmt::format("address add {}/24 dev eth0", member.v4));
      lab_->Ip(member.netns.get(), fmt::format("address add {}/64 dev eth0 nodad", member.v6));
      lab_->Ip(member.netns.get(), "link set eth0 up");
    }
  }

  void Bind(const std::map<std::string, PolicySpec>& policies) {
    for (const Member& member : members_) {
      std::vector<const PolicySpec*> selecting;
      if (const auto found = policies.find(member.name); found != policies.end()) selecting.push_back(&found->second);
      auto compiled = CompilePolicy(selecting, Baseline::kIsolate);
      ASSERT_THAT(compiled, IsOk());
      lab_->Bind(member.name, *compiled);
      if (!GetParam()) continue;
      for (const std::string& address : {member.v4, member.v6})
        ASSERT_THAT(lab_->maps().SetAddress(Address(address), lab_->IdOf(member.name)), IsOk());
    }
  }

  void Check(const Expectation& expected) {
    std::vector<TaskProcess> servers;
    for (const Member& member : members_)
      servers.push_back(lab_->Serve(
          member.name, [&](const auto& ready) { return EchoServer(member.port, ready); }, member.netns.get()));
    std::string matrix;
    bool right = true;
    for (const Member& from : members_) {
      for (const Member& to : members_) {
        if (&from == &to) continue;
        for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
          for (const std::string& address : {to.v4, to.v6}) {
            const bool allow = expected(from, to, transport);
            const int error = lab_->Run(
                from.name,
                [&] {
                  return allow ? Probe(address, to.port, transport) : Probe(address, to.port, transport, kDeniedMs);
                },
                from.netns.get());
            right = right && (error == 0) == allow;
            matrix += fmt::format("{} {} -> {} {} {}: {} {}\n", (error == 0) == allow ? "  " : "!!", from.name, to.name,
                                  transport == Transport::kTcp ? "tcp" : "udp", address,
                                  error == 0 ? "passes" : "fails", error);
          }
        }
      }
    }
    EXPECT_TRUE(right) << matrix;
  }

  std::unique_ptr<Lab> lab_;
  std::vector<Member> members_;
};

TEST_P(AllPairs, BaselineIsolatesTenants) {
  Bind({});
  Check(SameTenant);
}

TEST_P(AllPairs, PoliciesOpenWhatBothEndsAllow) {
  const std::vector<Peer> anywhere{Cidr("0.0.0.0/0"), Cidr("::/0")};
  Bind({{"acme/a", Policy("acme", "front").Ingress({Allow(anywhere, {"tcp"})})},
        {"evil/a", Policy("evil", "crawler").Egress({Allow(anywhere)})}});
  Check([](const Member& from, const Member& to, Transport transport) {
    const bool out = from.name == "evil/a" || SameTenant(from, to, transport);
    const bool in = to.name == "acme/a" ? transport == Transport::kTcp : SameTenant(from, to, transport);
    return out && in;
  });
}

INSTANTIATE_TEST_SUITE_P(OneNamespace, AllPairs, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(NamespaceEach, AllPairs, ::testing::Values(true));

}  // namespace
}  // namespace bulkhead::test
