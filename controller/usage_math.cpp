#include "controller/usage_math.h"

#include <algorithm>
#include <cstdint>
#include <functional>

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

namespace bulkhead {
namespace {

struct Field {
  const char* name;
  uint64_t (v1::Usage::*get)() const;
  void (v1::Usage::*set)(uint64_t);
};

constexpr Field kCounters[] = {
    {"cpu_ns", &v1::Usage::cpu_ns, &v1::Usage::set_cpu_ns},
    {"throttled_ns", &v1::Usage::throttled_ns, &v1::Usage::set_throttled_ns},
    {"throttled_periods", &v1::Usage::throttled_periods, &v1::Usage::set_throttled_periods},
    {"oom_kills", &v1::Usage::oom_kills, &v1::Usage::set_oom_kills},
    {"pids_failures", &v1::Usage::pids_failures, &v1::Usage::set_pids_failures},
};
constexpr Field kGauges[] = {
    {"memory_bytes", &v1::Usage::memory_bytes, &v1::Usage::set_memory_bytes},
    {"memory_peak_bytes", &v1::Usage::memory_peak_bytes, &v1::Usage::set_memory_peak_bytes},
    {"pids", &v1::Usage::pids, &v1::Usage::set_pids},
};

// The entry of `usage` for the same direction and scope, made when it is not there.
v1::Traffic& Matching(v1::Usage& usage, const v1::Traffic& wanted) {
  for (v1::Traffic& traffic : *usage.mutable_traffic())
    if (traffic.direction() == wanted.direction() && traffic.scope() == wanted.scope()) return traffic;
  v1::Traffic& made = *usage.add_traffic();
  made.set_direction(wanted.direction());
  made.set_scope(wanted.scope());
  return made;
}

v1::Drops& Matching(v1::Usage& usage, const v1::Drops& wanted) {
  for (v1::Drops& drops : *usage.mutable_drops())
    if (drops.direction() == wanted.direction() && drops.reason() == wanted.reason()) return drops;
  v1::Drops& made = *usage.add_drops();
  made.set_direction(wanted.direction());
  made.set_reason(wanted.reason());
  return made;
}

using Combine = std::function<uint64_t(uint64_t, uint64_t)>;

void Apply(v1::Usage& to, const v1::Usage& from, const Combine& combine) {
  for (const Field& field : kCounters) (to.*field.set)(combine((to.*field.get)(), (from.*field.get)()));
  for (const v1::Traffic& traffic : from.traffic()) {
    v1::Traffic& mine = Matching(to, traffic);
    mine.set_bytes(combine(mine.bytes(), traffic.bytes()));
    mine.set_packets(combine(mine.packets(), traffic.packets()));
  }
  for (const v1::Drops& drops : from.drops()) {
    v1::Drops& mine = Matching(to, drops);
    mine.set_packets(combine(mine.packets(), drops.packets()));
  }
}

}  // namespace

std::string WentDown(const v1::Usage& before, const v1::Usage& now) {
  std::string problem;
  const auto check = [&problem](const std::string& name, uint64_t was, uint64_t is) {
    if (problem.empty() && is < was) problem = fmt::format("{} went down from {} to {}", name, was, is);
  };
  for (const Field& field : kCounters) check(field.name, (before.*field.get)(), (now.*field.get)());
  check("memory_byte_seconds", before.memory_byte_seconds(), now.memory_byte_seconds());
  v1::Usage other = now;
  for (const v1::Traffic& traffic : before.traffic()) {
    check("traffic bytes of " + traffic.scope(), traffic.bytes(), Matching(other, traffic).bytes());
    check("traffic packets of " + traffic.scope(), traffic.packets(), Matching(other, traffic).packets());
  }
  for (const v1::Drops& drops : before.drops())
    check("drops of " + drops.reason(), drops.packets(), Matching(other, drops).packets());
  return problem;
}

bool SameUsage(const v1::Usage& a, const v1::Usage& b) {
  google::protobuf::util::MessageDifferencer differencer;
  differencer.set_repeated_field_comparison(google::protobuf::util::MessageDifferencer::AS_SET);
  return differencer.Compare(a, b);
}

void AddCounters(v1::Usage& total, const v1::Usage& usage) {
  Apply(total, usage, std::plus<>());
  total.set_memory_byte_seconds(total.memory_byte_seconds() + usage.memory_byte_seconds());
}

void AddGauges(v1::Usage& total, const v1::Usage& usage) {
  for (const Field& field : kGauges) (total.*field.set)((total.*field.get)() + (usage.*field.get)());
}

v1::Usage Merge(const v1::Usage& older, const v1::Usage& newer) {
  v1::Usage merged = newer;
  Apply(merged, older, [](uint64_t a, uint64_t b) { return std::max(a, b); });
  merged.set_memory_byte_seconds(older.memory_byte_seconds() + newer.memory_byte_seconds());
  return merged;
}

}  // namespace bulkhead
