#include "agent/metrics/exposition.h"

#include <gmock/gmock.h>

namespace bulkhead {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ObjectSnapshot Web() {
  ObjectSnapshot task{.tenant = "acme", .task = "web"};
  task.usage.emplace();
  return task;
}

// All of a snapshot, family by family, as a scrape gets it.
std::string Expose(const MetricsSnapshot& snapshot) {
  Exposition exposition(std::make_shared<const MetricsSnapshot>(snapshot));
  std::string text;
  for (std::string family = exposition.Next(); !family.empty(); family = exposition.Next()) text += family;
  return text;
}

std::string Expose(const ObjectSnapshot& task) {
  MetricsSnapshot snapshot;
  snapshot.tasks = {task};
  return Expose(snapshot);
}

TEST(Exposition, EveryFamilyHasHelpAndTypeBeforeItsValues) {
  EXPECT_THAT(Expose(Web()), HasSubstr("# HELP bulkhead_task_pids Processes and threads.\n"
                                       "# TYPE bulkhead_task_pids gauge\n"
                                       "bulkhead_task_pids{tenant=\"acme\",task=\"web\"} 0\n"));
}

TEST(Exposition, ValuesAreInBaseUnits) {
  ObjectSnapshot task = Web();
  task.usage->counters.cpu_ns = 1'500'000'000;
  task.usage->counters.memory_bytes = 64 << 20;
  task.usage->memory_byte_seconds = 12345;
  task.wanted.Set(LimitKind::kCpuMax, 25'000);
  task.held.Set(LimitKind::kCpuMax, 30'000);
  const std::string text = Expose(task);
  for (const char* line : {"task_cpu_seconds_total{tenant=\"acme\",task=\"web\"} 1.5\n",
                           "task_memory_bytes{tenant=\"acme\",task=\"web\"} 67108864\n",
                           "task_memory_byte_seconds_total{tenant=\"acme\",task=\"web\"} 12345\n",
                           "task_cpu_limit_cores{tenant=\"acme\",task=\"web\"} 0.25\n",
                           "task_cpu_effective_limit_cores{tenant=\"acme\",task=\"web\"} 0.3"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(Exposition, WhatIsNotThereIsNotShown) {
  const std::string text = Expose(Web());
  for (const char* absent : {"task_memory_limit", "task_cpu_effective", "weight", "network_bytes", "reason=\"spoofed\"",
                             "unknown_drops", "success_timestamp"})
    EXPECT_THAT(text, Not(HasSubstr(absent)));
  EXPECT_THAT(Expose(ObjectSnapshot{.tenant = "acme", .task = "new"}), Not(HasSubstr("task_cpu_seconds")))
      << "no sample yet";
}

TEST(Exposition, DropsByPolicyAreThereFromTheStart) {
  ObjectSnapshot task = Web();
  task.usage->counters.network.dropped[1][static_cast<size_t>(DropReason::kSpoofed)] = 7;
  const std::string text = Expose(task);
  EXPECT_THAT(text, HasSubstr("direction=\"ingress\",reason=\"policy\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("direction=\"egress\",reason=\"policy\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("direction=\"egress\",reason=\"spoofed\"} 7\n"));
}

TEST(Exposition, HistogramsAreCumulative) {
  MetricsSnapshot snapshot;
  snapshot.rounds = Histogram{0.1, 1};
  for (const double seconds : {0.05, 0.1, 0.5, 5.0}) snapshot.rounds.Observe(seconds);
  EXPECT_THAT(Expose(snapshot), HasSubstr("bulkhead_sample_round_duration_seconds_count 4\n"
                                          "bulkhead_sample_round_duration_seconds_sum 5.65"));
  for (const char* bucket : {"{le=\"0.1\"} 2\n", "{le=\"1\"} 3\n", "{le=\"+Inf\"} 4\n"})
    EXPECT_THAT(Expose(snapshot), HasSubstr(std::string("bulkhead_sample_round_duration_seconds_bucket") + bucket));
}

TEST(Exposition, ObjectsAreCountedByEnforcementAlsoWhereThereAreNone) {
  ObjectSnapshot failed = Web();
  failed.enforcement = Enforcement::kFailed;
  const std::string text = Expose(failed);
  EXPECT_THAT(text, HasSubstr("bulkhead_objects{kind=\"task\",enforcement=\"failed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("bulkhead_objects{kind=\"task\",enforcement=\"enforced\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("bulkhead_task_failed{tenant=\"acme\",task=\"web\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("bulkhead_task_enforced{tenant=\"acme\",task=\"web\"} 0\n"));
}

}  // namespace
}  // namespace bulkhead
