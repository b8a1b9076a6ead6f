#include "agent/plan/prefix_sweep.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace bulkhead {
namespace {

// A rule counts at an address as often as peers of it reach there; it stops counting when the last one has a hole.
using Counts = std::vector<std::pair<uint32_t, int>>;  // rule → peers, sorted, no zeros

// Rule sets by number, so that 100 000 siblings with the same change cost one computation.
class RuleSets {
 public:
  uint32_t Change(uint32_t from, const Counts& delta) {
    const auto [found, inserted] = changed_.try_emplace({from, delta}, 0);
    if (inserted) found->second = Intern(Sum(sets_[from], delta));
    return found->second;
  }
  const Counts& At(uint32_t id) const { return sets_[id]; }

 private:
  static Counts Sum(const Counts& left, const Counts& right) {
    Counts sum;
    auto a = left.begin();
    auto b = right.begin();
    while (a != left.end() || b != right.end()) {
      if (b == right.end() || (a != left.end() && a->first < b->first)) {
        sum.push_back(*a++);
      } else if (a == left.end() || b->first < a->first) {
        sum.push_back(*b++);
      } else {
        if (a->second + b->second > 0) sum.emplace_back(a->first, a->second + b->second);
        ++a, ++b;
      }
    }
    return sum;
  }
  uint32_t Intern(const Counts& counts) {
    const auto [found, inserted] = ids_.try_emplace(counts, static_cast<uint32_t>(sets_.size()));
    if (inserted) sets_.push_back(counts);
    return found->second;
  }

  std::vector<Counts> sets_ = {{}};  // 0 is the empty set
  std::map<Counts, uint32_t> ids_ = {{{}, 0}};
  std::map<std::pair<uint32_t, Counts>, uint32_t> changed_;
};

struct Open {
  IpPrefix prefix;
  uint32_t set = 0;
  std::optional<uint32_t> class_id;  // nullopt: no rule at all
};

// The marks from `begin` that lie on one prefix, summed by rule.
Counts DeltaAt(std::vector<PrefixMark>::const_iterator& at, std::vector<PrefixMark>::const_iterator end,
               bool only_begins) {
  Counts delta;
  for (const IpPrefix prefix = at->prefix; at != end && at->prefix == prefix; ++at) {
    if (at->change == 0 || (only_begins && at->change < 0)) continue;
    if (!delta.empty() && delta.back().first == at->rule)
      delta.back().second += at->change;
    else
      delta.emplace_back(at->rule, at->change);
  }
  std::erase_if(delta, [](const auto& entry) { return entry.second == 0; });
  return delta;
}

}  // namespace

void MarkPeer(uint32_t rule, const IpPrefix& cidr, const std::vector<IpPrefix>& except,
              std::vector<PrefixMark>& marks) {
  if (std::any_of(except.begin(), except.end(), [&](const IpPrefix& hole) { return hole.Contains(cidr); })) return;
  marks.push_back({cidr, rule, +1});
  std::vector<IpPrefix> holes = except;
  std::sort(holes.begin(), holes.end());  // a wider prefix comes before what it contains
  const IpPrefix* widest = nullptr;
  for (const IpPrefix& hole : holes) {
    if (!cidr.Contains(hole) || (widest && widest->Contains(hole))) continue;
    widest = &hole;
    marks.push_back({hole, rule, -1});
  }
}

Result<std::vector<SweptPrefix>> SweepPrefixes(
    std::vector<PrefixMark> marks, const std::vector<IpPrefix>& exact_only,
    const std::function<Result<uint32_t>(const std::vector<uint32_t>&, const IpPrefix&)>& class_of) {
  for (const IpPrefix& exact : exact_only) marks.push_back({exact, 0, 0});
  std::sort(marks.begin(), marks.end());
  RuleSets sets;
  std::map<uint32_t, uint32_t> classes;  // of rule sets
  std::vector<SweptPrefix> entries;
  std::vector<Open> open;  // the prefixes around the current one, widest first
  for (auto mark = marks.cbegin(); mark != marks.cend();) {
    const IpPrefix prefix = mark->prefix;
    while (!open.empty() && !open.back().prefix.Contains(prefix)) open.pop_back();
    const Open around = open.empty() ? Open{} : open.back();
    const bool exact = std::find(exact_only.begin(), exact_only.end(), prefix) != exact_only.end();
    const Counts delta = DeltaAt(mark, marks.cend(), exact);
    const uint32_t set = sets.Change(exact ? 0 : around.set, delta);
    std::optional<uint32_t> class_id;
    // No rule and no wider entry needs no entry; below a wider one it takes a class that allows nothing.
    if (!sets.At(set).empty() || around.class_id) {
      auto known = classes.find(set);
      if (known == classes.end()) {
        std::vector<uint32_t> rules;
        for (const auto& [rule, peers] : sets.At(set)) rules.push_back(rule);
        BULKHEAD_ASSIGN(const uint32_t made, class_of(rules, prefix));
        known = classes.emplace(set, made).first;
      }
      class_id = known->second;
    }
    if (class_id != around.class_id) entries.push_back({prefix, *class_id});
    open.push_back({prefix, set, class_id});
  }
  return entries;
}

}  // namespace bulkhead
