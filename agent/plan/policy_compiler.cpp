#include "agent/plan/policy_compiler.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "agent/plan/interval_set.h"
#include "agent/plan/prefix_sweep.h"

namespace bulkhead {
namespace {

const std::vector<PortRange> kAnyPort;

IpPrefix Whole(Family family) { return {IpAddress{family, {}}, 0}; }

const char* BaselineName(Baseline baseline) {
  switch (baseline) {
    case Baseline::kIsolate:
      return "baseline isolate";
    case Baseline::kDeny:
      return "baseline deny";
    case Baseline::kAllow:
      break;
  }
  return "baseline allow";
}

// One direction of one compiled policy.
class DirectionCompiler {
 public:
  DirectionCompiler(Direction direction, CompiledPolicy& out) : direction_(direction), out_(out) {}

  void AddBaseline(Baseline baseline) {
    if (baseline == Baseline::kDeny) return;
    ports_[0] = &kAnyPort;
    same_tenant_.push_back(0);
    if (baseline == Baseline::kAllow) other_tenant_.push_back(0);
    deny_other_tenant_ = baseline == Baseline::kIsolate;
    AddWholeNet(0);
  }

  void AddRule(uint32_t number, const Rule& rule) {
    ports_[number] = &rule.ports;
    if (rule.peers.empty()) {
      same_tenant_.push_back(number);
      other_tenant_.push_back(number);
      AddWholeNet(number);
    }
    for (const Peer& peer : rule.peers) {
      if (peer.kind == Peer::Kind::kSameTenant)
        same_tenant_.push_back(number);
      else
        MarkPeer(number, peer.cidr, peer.except, marks_);
    }
  }

  Status Finish() {
    BULKHEAD_RETURN_IF_ERROR(AddIdentity(kClassSameTenant, same_tenant_, "tasks of the same tenant"));
    BULKHEAD_RETURN_IF_ERROR(AddIdentity(kClassOtherTenant, other_tenant_, "tasks of other tenants"));
    if (deny_other_tenant_) out_.classes[{direction_, kClassOtherTenant}] = {Interval{.allow = false, .rule = 0}};
    std::vector<IpPrefix> exact;
    if (direction_ == Direction::kEgress) exact = {MetadataV4(), MetadataV6()};
    auto entries = SweepPrefixes(std::move(marks_), exact,
                                 [this](const auto& rules, const IpPrefix& at) { return ClassOf(rules, at); });
    BULKHEAD_RETURN_IF_ERROR(entries.status());
    for (const SweptPrefix& entry : *entries) out_.prefixes.push_back({direction_, entry.prefix, entry.class_id});
    return Ok();
  }

 private:
  void AddWholeNet(uint32_t rule) {
    for (Family family : {Family::kV4, Family::kV6}) marks_.push_back({Whole(family), rule, +1});
  }

  Result<std::vector<Interval>> Merge(const std::vector<uint32_t>& rules, const std::string& where) const {
    std::vector<AllowedPorts> allowed;
    for (uint32_t rule : rules) allowed.push_back({rule, ports_.at(rule)});
    std::vector<Interval> merged = MergePorts(allowed);
    if (merged.size() <= kMaxIntervalsPerClass) return merged;
    constexpr size_t kNamed = 4;
    std::string names;
    for (size_t i = 0; i < rules.size() && i < kNamed; ++i) names += (i ? ", " : "") + out_.rule_names[rules[i]];
    if (rules.size() > kNamed) names += fmt::format(" and {} more rules", rules.size() - kNamed);
    return ResourceExhausted(fmt::format("policy {}: {} separate port ranges for {}, at most {}", names, merged.size(),
                                         where, kMaxIntervalsPerClass));
  }

  Status AddIdentity(uint32_t class_id, std::vector<uint32_t>& rules, const std::string& where) {
    if (rules.empty()) return Ok();
    std::sort(rules.begin(), rules.end());
    rules.erase(std::unique(rules.begin(), rules.end()), rules.end());
    BULKHEAD_ASSIGN((out_.classes[{direction_, class_id}]), Merge(rules, where));
    return Ok();
  }

  Result<uint32_t> ClassOf(const std::vector<uint32_t>& rules, const IpPrefix& at) {
    BULKHEAD_ASSIGN(std::vector<Interval> intervals, Merge(rules, at.ToString()));
    const auto next = kFirstPrefixClass + static_cast<uint32_t>(interned_.size());
    const auto [found, fresh] = interned_.try_emplace(intervals, next);
    if (fresh) out_.classes[{direction_, next}] = std::move(intervals);
    return found->second;
  }

  Direction direction_;
  CompiledPolicy& out_;
  std::map<uint32_t, const std::vector<PortRange>*> ports_;  // by rule
  std::vector<uint32_t> same_tenant_;                        // rules
  std::vector<uint32_t> other_tenant_;
  bool deny_other_tenant_ = false;
  std::vector<PrefixMark> marks_;
  std::map<std::vector<Interval>, uint32_t> interned_;
};

using Rules = std::optional<std::vector<Rule>> PolicySpec::*;

Status CompileDirection(const std::vector<const PolicySpec*>& selecting, Baseline baseline, Direction direction,
                        CompiledPolicy& out) {
  const Rules rules = direction == Direction::kIngress ? &PolicySpec::ingress : &PolicySpec::egress;
  DirectionCompiler compiler(direction, out);
  bool selected = false;
  for (const PolicySpec* policy : selecting) {
    if (!(policy->*rules)) continue;
    selected = true;
    for (size_t i = 0; i < (policy->*rules)->size(); ++i) {
      compiler.AddRule(static_cast<uint32_t>(out.rule_names.size()), (*(policy->*rules))[i]);
      out.rule_names.push_back(
          fmt::format("{} {}[{}]", policy->id.ToString(), direction == Direction::kIngress ? "ingress" : "egress", i));
    }
  }
  if (!selected) compiler.AddBaseline(baseline);
  return compiler.Finish();
}

Status CompileBind(const std::vector<const PolicySpec*>& selecting, CompiledPolicy& out) {
  std::vector<AllowedPorts> allowed;
  bool restricted = false;
  std::string names;
  for (const PolicySpec* policy : selecting) {
    if (!policy->bind) continue;
    restricted = true;
    names += (names.empty() ? "" : ", ") + policy->id.ToString();
    // An empty list allows nothing here, while it means "any port" to MergePorts.
    if (!policy->bind->empty()) allowed.push_back({static_cast<uint32_t>(out.rule_names.size()), &*policy->bind});
    out.rule_names.push_back(policy->id.ToString() + " bind");
  }
  if (!restricted) return Ok();
  std::vector<Interval> merged = MergePorts(allowed);
  if (merged.size() > kMaxIntervalsPerClass)
    return ResourceExhausted(fmt::format("policy {}: {} separate port ranges to bind, at most {}", names, merged.size(),
                                         kMaxIntervalsPerClass));
  out.classes[{Direction::kBind, kClassBind}] = std::move(merged);
  return Ok();
}

}  // namespace

const IpPrefix& MetadataV4() {
  static const IpPrefix prefix{{Family::kV4, {169, 254, 169, 254}}, 32};
  return prefix;
}

const IpPrefix& MetadataV6() {
  static const IpPrefix prefix{{Family::kV6, {0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}}, 128};
  return prefix;
}

std::vector<const PolicySpec*> SelectingPolicies(const DesiredState& desired, const TaskSpec& task) {
  std::vector<const PolicySpec*> selecting;
  for (auto at = desired.policies.lower_bound({task.id.tenant, ""});
       at != desired.policies.end() && at->first.tenant == task.id.tenant; ++at)
    if (Selects(at->second, task.id.tenant, task.labels)) selecting.push_back(&at->second);
  return selecting;
}

Result<CompiledPolicy> CompilePolicy(const std::vector<const PolicySpec*>& selecting, Baseline baseline) {
  CompiledPolicy compiled;
  compiled.rule_names.push_back(BaselineName(baseline));
  BULKHEAD_RETURN_IF_ERROR(CompileDirection(selecting, baseline, Direction::kIngress, compiled));
  BULKHEAD_RETURN_IF_ERROR(CompileDirection(selecting, baseline, Direction::kEgress, compiled));
  BULKHEAD_RETURN_IF_ERROR(CompileBind(selecting, compiled));
  return compiled;
}

}  // namespace bulkhead
