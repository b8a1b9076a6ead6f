// Random compiled policies and flows that are likely to hit them, for comparing evaluators. Same seed, same sequence.
#pragma once

#include <random>

#include "agent/model/compiled_policy.h"
#include "tests/support/evaluate.h"

namespace bulkhead::test {

class RandomPolicies {
 public:
  explicit RandomPolicies(uint32_t seed) : random_(seed) {}

  // Few or many (by `many_lengths`) distinct prefix lengths; up to 70 ranges in a class; sometimes bind ranges.
  CompiledPolicy Policy(bool many_lengths);
  // Addresses inside, beside and outside of the policy's prefixes; ports at and beside the ends of its ranges.
  Flow FlowFor(const CompiledPolicy& policy);

 private:
  uint32_t Below(uint32_t bound) { return std::uniform_int_distribution<uint32_t>(0, bound - 1)(random_); }
  Interval RandomInterval();
  IpPrefix RandomPrefix(const std::vector<uint8_t>& lengths, Family family);

  std::mt19937 random_;
};

}  // namespace bulkhead::test
