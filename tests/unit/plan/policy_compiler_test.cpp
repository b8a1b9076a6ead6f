#include "agent/plan/policy_compiler.h"

#include <gmock/gmock.h>

#include "tests/support/builders.h"
#include "tests/support/evaluate.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CompiledPolicy Compile(const std::vector<PolicySpec>& specs, Baseline baseline = Baseline::kIsolate) {
  std::vector<const PolicySpec*> selecting;
  for (const PolicySpec& spec : specs) selecting.push_back(&spec);
  auto compiled = CompilePolicy(selecting, baseline);
  EXPECT_THAT(compiled, IsOk());
  return compiled.ok() ? *compiled : CompiledPolicy{};
}

bool Out(const CompiledPolicy& policy, const std::string& address, uint16_t port = 80, Remote remote = Remote::kNoTask,
         uint8_t protocol = 6) {
  return Evaluate(policy, {Direction::kEgress, remote, Address(address), protocol, port}).allow;
}
bool In(const CompiledPolicy& policy, const std::string& address, uint16_t port = 80, Remote remote = Remote::kNoTask,
        uint8_t protocol = 6) {
  return Evaluate(policy, {Direction::kIngress, remote, Address(address), protocol, port}).allow;
}

TEST(CompilePolicy, IsolateLetsTheTenantTalkAndKeepsOthersOut) {
  const CompiledPolicy policy = Compile({});
  for (const auto& passes : {In, Out}) {
    EXPECT_TRUE(passes(policy, "127.0.0.1", 80, Remote::kSameTenant, 6));
    EXPECT_FALSE(passes(policy, "127.0.0.1", 80, Remote::kOtherTenant, 6));
    EXPECT_FALSE(passes(policy, "fd00::1", 53, Remote::kOtherTenant, 17));
    EXPECT_TRUE(passes(policy, "192.0.2.1", 80, Remote::kNoTask, 6));
    EXPECT_TRUE(passes(policy, "2001:db8::1", 53, Remote::kNoTask, 17));
  }
  EXPECT_EQ(policy.rule_names[0], "baseline isolate");
}

TEST(CompilePolicy, MetadataAddressesAreDeniedAtEgressByEveryBaselineAndWideRule) {
  const std::vector<CompiledPolicy> policies = {
      Compile({}, Baseline::kIsolate), Compile({}, Baseline::kDeny), Compile({}, Baseline::kAllow),
      Compile({Policy("acme", "wide").Egress({Allow()})}),
      Compile({Policy("acme", "wide").Egress({Allow({Cidr("169.254.0.0/16"), Cidr("fd00::/8"), Cidr("0.0.0.0/0")})})})};
  for (const CompiledPolicy& policy : policies) {
    EXPECT_FALSE(Out(policy, "169.254.169.254"));
    EXPECT_FALSE(Out(policy, "fd00:ec2::254"));
  }
  EXPECT_TRUE(Out(policies[0], "169.254.169.253"));
  EXPECT_TRUE(In(policies[0], "169.254.169.254")) << "only egress is special";
}

TEST(CompilePolicy, MetadataIsReachedOnlyAsTheRuleThatNamesItSays) {
  const CompiledPolicy policy =
      Compile({Policy("acme", "imds").Egress({Allow(), Allow({Cidr("169.254.169.254/32")}, {"tcp/80"})})});
  EXPECT_TRUE(Out(policy, "169.254.169.254", 80));
  EXPECT_FALSE(Out(policy, "169.254.169.254", 443)) << "the wide rule does not speak for it";
  EXPECT_FALSE(Out(policy, "fd00:ec2::254", 80));
}

TEST(CompilePolicy, SelectedDirectionDeniesWhatNoRuleAllows) {
  const CompiledPolicy policy = Compile({Policy("acme", "web").Ingress()});
  EXPECT_FALSE(In(policy, "192.0.2.1"));
  EXPECT_FALSE(In(policy, "10.0.0.1", 80, Remote::kSameTenant));
  EXPECT_TRUE(Out(policy, "192.0.2.1")) << "egress is not selected";
}

TEST(CompilePolicy, EmptyRuleAllowsEverythingOtherTenantsIncluded) {
  const CompiledPolicy policy = Compile({Policy("acme", "open").Ingress({Allow()})});
  EXPECT_TRUE(In(policy, "10.0.0.1", 22, Remote::kOtherTenant));
  EXPECT_TRUE(In(policy, "10.0.0.1", 0, Remote::kNoTask, 1));
}

TEST(CompilePolicy, RulesAndPoliciesAddUp) {
  const CompiledPolicy policy =
      Compile({Policy("acme", "a").Ingress(), Policy("acme", "b").Ingress({Allow({Same()}, {"tcp/80"})}),
               Policy("acme", "c").Ingress({Allow({Cidr("192.0.2.0/24")}, {"udp/53"})})});
  EXPECT_TRUE(In(policy, "10.0.0.1", 80, Remote::kSameTenant));
  EXPECT_FALSE(In(policy, "10.0.0.1", 81, Remote::kSameTenant));
  EXPECT_TRUE(In(policy, "192.0.2.9", 53, Remote::kNoTask, 17));
  EXPECT_FALSE(In(policy, "192.0.2.9", 80));
}

TEST(CompilePolicy, CidrSpeaksForTasksOfAnyTenantToo) {
  const CompiledPolicy policy =
      Compile({Policy("acme", "c").Ingress({Allow({Same()}, {"tcp/80"}), Allow({Cidr("10.77.2.1/32")}, {"tcp/81"})})});
  EXPECT_TRUE(In(policy, "10.77.2.1", 81, Remote::kOtherTenant));
  EXPECT_TRUE(In(policy, "10.77.2.1", 81, Remote::kSameTenant));
  EXPECT_FALSE(In(policy, "10.77.2.1", 80, Remote::kOtherTenant));
}

TEST(CompilePolicy, ExceptIsAHoleForItsOwnPeerOnly) {
  const CompiledPolicy policy = Compile(
      {Policy("acme", "e")
           .Egress({Allow({Cidr("192.0.2.0/24", {"192.0.2.192/26"})}), Allow({Cidr("192.0.2.200/32")}, {"tcp/443"})})});
  EXPECT_TRUE(Out(policy, "192.0.2.10"));
  EXPECT_FALSE(Out(policy, "192.0.2.201"));
  EXPECT_TRUE(Out(policy, "192.0.2.200", 443));
  EXPECT_FALSE(Out(policy, "192.0.2.200", 80));
}

TEST(CompilePolicy, MostSpecificEntryCarriesTheRulesOfWiderOnes) {
  const CompiledPolicy policy =
      Compile({Policy("acme", "n")
                   .Egress({Allow({Cidr("10.0.0.0/8")}, {"tcp/80"}), Allow({Cidr("10.1.0.0/16")}, {"tcp/443"})})});
  EXPECT_TRUE(Out(policy, "10.1.2.3", 80));
  EXPECT_TRUE(Out(policy, "10.1.2.3", 443));
  EXPECT_FALSE(Out(policy, "10.2.2.3", 443));
}

TEST(CompilePolicy, PortRangesAreInclusiveAndTouchingOnesBecomeOne) {
  const CompiledPolicy policy =
      Compile({Policy("acme", "p").Ingress({Allow({Cidr("0.0.0.0/0")}, {"tcp/8005-8009", "tcp/8000-8004"})})});
  EXPECT_FALSE(In(policy, "192.0.2.1", 7999));
  EXPECT_TRUE(In(policy, "192.0.2.1", 8000));
  EXPECT_TRUE(In(policy, "192.0.2.1", 8009));
  EXPECT_FALSE(In(policy, "192.0.2.1", 8010));
  EXPECT_EQ(policy.classes.at({Direction::kIngress, kFirstPrefixClass}).size(), 1U);
}

TEST(CompilePolicy, SameMeaningInOtherWordsIsOnePolicyInTheKernel) {
  const CompiledPolicy a = Compile(
      {Policy("acme", "x").Egress({Allow({Cidr("10.0.0.0/8"), Cidr("10.1.0.0/16")}, {"tcp/80-81", "tcp/82"})})});
  const CompiledPolicy b =
      Compile({Policy("beta", "y").Egress({Allow({Cidr("10.0.0.0/8")}, {"tcp/81-82", "tcp/80"})})});
  EXPECT_EQ(a.ContentHash(), b.ContentHash());
  EXPECT_NE(a.ContentHash(),
            Compile({Policy("acme", "x").Egress({Allow({Cidr("10.0.0.0/8")}, {"tcp/80"})})}).ContentHash());
}

TEST(CompilePolicy, VerdictsNameTheirRule) {
  const CompiledPolicy policy =
      Compile({Policy("acme", "web")
                   .Ingress({Allow({Same()})})
                   .Egress({Allow({Cidr("10.0.0.0/8")}, {"tcp/80"}), Allow({Cidr("10.0.0.0/8")}, {"udp/53"})})});
  const auto verdict = Evaluate(policy, {Direction::kEgress, Remote::kNoTask, Address("10.1.1.1"), 17, 53});
  ASSERT_TRUE(verdict.rule.has_value());
  EXPECT_EQ(policy.rule_names[*verdict.rule], "acme/web egress[1]");
  EXPECT_THAT(policy.rule_names,
              ElementsAre("baseline isolate", "acme/web ingress[0]", "acme/web egress[0]", "acme/web egress[1]"));
}

TEST(CompilePolicy, BindIsOpenUnlessAPolicyRestrictsIt) {
  EXPECT_TRUE(MayBind(Compile({Policy("acme", "w").Ingress()}), 6, 22));
  const CompiledPolicy two =
      Compile({Policy("acme", "a").Bind({"tcp/8080"}), Policy("acme", "b").Bind({"tcp/9000-9010"})});
  EXPECT_TRUE(MayBind(two, 6, 8080));
  EXPECT_TRUE(MayBind(two, 6, 9010));
  EXPECT_FALSE(MayBind(two, 6, 9011));
  EXPECT_FALSE(MayBind(two, 17, 9000));
  EXPECT_FALSE(MayBind(Compile({Policy("acme", "none").Bind({})}), 6, 8080));
}

TEST(CompilePolicy, TooManyPortRangesForOneDestinationNameThePolicy) {
  std::vector<std::string> ports;
  for (int port = 0; port < 257; ++port) ports.push_back("tcp/" + std::to_string(1000 + 2 * port));
  const PolicySpec spec = Policy("acme", "sieve").Egress({Allow({Cidr("10.0.0.0/8")}, ports)});
  EXPECT_THAT(CompilePolicy({&spec}, Baseline::kIsolate),
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("acme/sieve egress[0]: 257 separate port ranges")));
  ports.pop_back();
  const PolicySpec fits = Policy("acme", "sieve").Egress({Allow({Cidr("10.0.0.0/8")}, ports)});
  EXPECT_THAT(CompilePolicy({&fits}, Baseline::kIsolate), IsOk());
}

TEST(CompilePolicy, AHundredThousandPrefixesShareOneClass) {
  Rule rule = Allow({}, {"tcp/443"});
  for (uint32_t i = 0; i < 100'000; ++i) {
    Peer peer{.cidr = {IpAddress{Family::kV4, {}}, 32}};
    const uint32_t address = (10U << 24) + i * 2;
    for (unsigned byte = 0; byte < 4; ++byte)
      peer.cidr.address.bytes[byte] = static_cast<uint8_t>(address >> (24 - 8 * byte));
    rule.peers.push_back(peer);
  }
  const CompiledPolicy policy = Compile({Policy("acme", "list").Egress({rule})});
  EXPECT_EQ(policy.prefixes.size(), 100'000U + 2) << "and the two whole nets of the ingress baseline";
  EXPECT_EQ(policy.classes.count({Direction::kEgress, kFirstPrefixClass + 1}), 0U);
}

TEST(SelectingPolicies, TakesThoseOfTheTenantWhoseLabelsMatch) {
  DesiredState desired;
  for (const PolicySpec& spec : std::vector<PolicySpec>{Policy("acme", "all"), Policy("acme", "db").Select("app", "db"),
                                                        Policy("acme", "web").Select("app", "web"),
                                                        Policy("acme2", "other"), Policy("abc", "other")})
    desired.policies[spec.id] = spec;
  std::vector<std::string> names;
  for (const PolicySpec* policy : SelectingPolicies(desired, Task("acme", "t").Label("app", "web").Label("x", "y")))
    names.push_back(policy->id.ToString());
  EXPECT_THAT(names, ElementsAre("acme/all", "acme/web"));
}

}  // namespace
}  // namespace bulkhead::test
