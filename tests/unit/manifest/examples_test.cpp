#include <set>

#include <gmock/gmock.h>

#include "agent/manifest/manifest.h"
#include "agent/rpc/convert.h"

namespace bulkhead {
namespace {

TEST(Examples, TenantsAreValidFromFileToValue) {
  const auto parsed = LoadObjects({BULKHEAD_EXAMPLES "/tenants.yaml"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  int tenants = 0;
  int tasks = 0;
  int policies = 0;
  for (const ParsedObject& one : *parsed) {
    const auto spec = DecodeObject(one.object);
    ASSERT_TRUE(spec.ok()) << one.file << ":" << one.line << ": " << spec.status();
    tenants += std::holds_alternative<TenantSpec>(*spec);
    tasks += std::holds_alternative<TaskSpec>(*spec);
    policies += std::holds_alternative<PolicySpec>(*spec);
    if (const auto* task = std::get_if<TaskSpec>(&*spec); task && task->id.name == "web-1") {
      EXPECT_EQ(task->limits.values, (Limits{{LimitKind::kCpuMax, 50'000},
                                             {LimitKind::kCpuBurst, 20'000},
                                             {LimitKind::kCpuWeight, 100},
                                             {LimitKind::kMemoryMax, 256U << 20},
                                             {LimitKind::kMemoryHigh, 230U << 20},
                                             {LimitKind::kSwapMax, 0},
                                             {LimitKind::kOomGroup, 1},
                                             {LimitKind::kPidsMax, 64}}));
    }
  }
  EXPECT_EQ(tenants, 2);
  EXPECT_EQ(tasks, 3);
  EXPECT_EQ(policies, 3);
}

TEST(Examples, LimitsShowEveryKindThatNeedsNoHugePages) {
  const auto parsed = LoadObjects({BULKHEAD_EXAMPLES "/limits.yaml"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  std::set<LimitKind> shown;
  for (const ParsedObject& one : *parsed) {
    const auto spec = DecodeObject(one.object);
    ASSERT_TRUE(spec.ok()) << one.file << ":" << one.line << ": " << spec.status();
    const auto* task = std::get_if<TaskSpec>(&*spec);
    const LimitSpec& limits = task ? task->limits : std::get<TenantSpec>(*spec).limits;
    for (const auto& [id, value] : AskedLimits(limits, {{"/var", DiskId{8, 0}}})) shown.insert(id.kind);
  }
  shown.insert(LimitKind::kHugetlbMax);
  for (const LimitKind kind : kAllLimits) EXPECT_TRUE(shown.contains(kind)) << LimitName(kind);
}

TEST(Examples, WhatTheAgentStoresReadsBackAsTheSameManifest) {
  const auto parsed = LoadManifests({BULKHEAD_EXAMPLES "/tenants.yaml"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  for (const v1::Object& object : *parsed) {
    const ObjectSpec spec = *DecodeObject(object);
    const auto again = ParseManifest(ToYaml(EncodeObject(spec)), "stored");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*DecodeObject(again->at(0)), spec) << ToYaml(object);
  }
}

}  // namespace
}  // namespace bulkhead
