// The kernel's verdict code, compiled for the host, against the plain evaluator.
#include <gmock/gmock.h>

#include "tests/bpf/host_verdict.h"
#include "tests/support/builders.h"
#include "tests/support/matchers.h"
#include "tests/support/random_policy.h"

namespace bulkhead::test {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kPolicy = 9;

int Judge(const Flow& flow) {
  flow_query query{};
  query.policy_id = kPolicy;
  query.identity = flow.remote == Remote::kSameTenant    ? CLASS_SAME_TENANT
                   : flow.remote == Remote::kOtherTenant ? CLASS_OTHER_TENANT
                                                         : CLASS_NONE;
  query.direction = static_cast<uint8_t>(flow.direction);
  query.family = static_cast<uint8_t>(flow.address.family);
  query.protocol = flow.protocol;
  query.port = flow.port;
  std::memcpy(query.remote, flow.address.bytes.data(), 16);
  return policy_verdict(&query);
}

class Verdicts : public ::testing::TestWithParam<bool> {};

TEST_P(Verdicts, AreThoseOfThePlainEvaluator) {
  RandomPolicies random(GetParam() ? 1 : 2);
  uint64_t allowed = 0;
  for (int round = 0; round < 200; ++round) {
    const CompiledPolicy policy = random.Policy(GetParam());
    Fill(kPolicy, policy);
    for (int i = 0; i < 100; ++i) {
      const Flow flow = random.FlowFor(policy);
      const Verdict expected = Evaluate(policy, flow);
      const int got = Judge(flow);
      ASSERT_EQ(got & 1, expected.allow ? 1 : 0) << "round " << round << ": " << flow.address.ToString();
      ASSERT_EQ(static_cast<uint32_t>(got) >> 1, expected.rule.value_or(0));
      ASSERT_EQ(bind_allowed(kPolicy, flow.protocol, flow.port) != 0, MayBind(policy, flow.protocol, flow.port));
      allowed += expected.allow ? 1 : 0;
    }
  }
  EXPECT_GT(allowed, 2000u) << "the flows hardly hit the rules: this would show nothing";
}
INSTANTIATE_TEST_SUITE_P(ProbedLengths, Verdicts, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Trie, Verdicts, ::testing::Values(true));

TEST(VerdictTest, UnknownPolicyDenies) {
  tables = {};
  EXPECT_EQ(Judge({.address = Address("10.0.0.1"), .port = 80}), VERDICT_DENY);
  EXPECT_EQ(bind_allowed(kPolicy, 6, 80), 0);
}

TEST(VerdictTest, ClassWhoseContinuationIsMissingDenies) {
  CompiledPolicy policy;
  policy.classes[{Direction::kEgress, kClassSameTenant}].assign(40, Interval{6, true, 1, 1, 0});
  policy.classes[{Direction::kEgress, kFirstPrefixClass}] = {{0, true, 0, 65535, 0}};
  policy.prefixes = {{Direction::kEgress, Prefix("0.0.0.0/0"), kFirstPrefixClass}};
  Fill(kPolicy, policy);
  const Flow flow{.remote = Remote::kSameTenant, .address = Address("10.0.0.1"), .port = 80};
  EXPECT_EQ(Judge(flow) & 1, 1) << "no range of the identity matches: the prefix decides";
  const auto entries = EncodePolicy(kPolicy, policy);
  for (const class_key& key : entries->class_keys)
    if (key.chunk == 1) tables.classes.erase(BytesOf(key));
  EXPECT_EQ(Judge(flow), VERDICT_DENY);
}

TEST(EncodePolicyTest, WhatCannotBeEvaluatedAsMeantIsRefused) {
  CompiledPolicy policy;
  policy.prefixes = {{Direction::kEgress, Prefix("10.0.0.0/8"), CLASS_NONE}};
  EXPECT_THAT(EncodePolicy(1, policy), StatusIs(StatusCode::kInvalidArgument, HasSubstr("10.0.0.0/8")));
  policy.prefixes = {{Direction::kEgress, {Address("10.0.0.1"), 8}, kFirstPrefixClass}};
  EXPECT_THAT(EncodePolicy(1, policy), StatusIs(StatusCode::kInvalidArgument, HasSubstr("10.0.0.1")));
  policy.prefixes.clear();
  policy.classes[{Direction::kEgress, kFirstPrefixClass}] = {{6, true, 9, 8, 0}};
  EXPECT_THAT(EncodePolicy(1, policy), StatusIs(StatusCode::kInvalidArgument, HasSubstr("9-8")));
  policy.classes[{Direction::kEgress, kFirstPrefixClass}].assign(257, Interval{});
  EXPECT_THAT(EncodePolicy(1, policy), StatusIs(StatusCode::kResourceExhausted, HasSubstr("257")));
}

}  // namespace
}  // namespace bulkhead::test
