// Which rules reach which addresses, as a tree of prefixes in which the most specific entry speaks alone.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "agent/base/status.h"
#include "agent/model/ip_prefix.h"

namespace bulkhead {

// A rule begins to count at `prefix` (+1: a peer's cidr) or stops counting there (-1: a hole of one of its peers).
struct PrefixMark {
  IpPrefix prefix;
  uint32_t rule = 0;
  int change = 0;
  auto operator<=>(const PrefixMark&) const = default;
};

// Marks of one peer. Holes inside other holes of the same peer, or outside its cidr, change nothing and are dropped; a
// hole as wide as the cidr leaves no peer.
void MarkPeer(uint32_t rule, const IpPrefix& cidr, const std::vector<IpPrefix>& except, std::vector<PrefixMark>& marks);

struct SweptPrefix {
  IpPrefix prefix;
  uint32_t class_id = 0;
};

// Calls `class_of` with each different set of rules (sorted) and at most once per set, and returns the entries that are
// needed, sorted: one whose class is that of the next wider entry is not, nor is one without rules below none.
// `exact_only`: prefixes where wider rules do not count.
Result<std::vector<SweptPrefix>> SweepPrefixes(
    std::vector<PrefixMark> marks, const std::vector<IpPrefix>& exact_only,
    const std::function<Result<uint32_t>(const std::vector<uint32_t>& rules, const IpPrefix& at)>& class_of);

}  // namespace bulkhead
