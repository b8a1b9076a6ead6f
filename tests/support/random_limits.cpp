#include "tests/support/random_limits.h"

#include <algorithm>

namespace bulkhead::test {
namespace {

using enum LimitKind;

class Maker {
 public:
  Maker(std::mt19937& random, const Limits& above) : random_(random), above_(above) {}

  Limits Make() {
    Ceiling(kCpuMax, 1'000, 400'000);
    if (made_.Has(kCpuMax)) Number(kCpuBurst, 0, *made_.Number(kCpuMax));
    Number(Chance(4) ? kCpuIdle : kCpuWeight, 1, 1);
    if (made_.Has(kCpuWeight)) made_.Set(kCpuWeight, Between(1, 10'000));
    Subset(kCpuCpus, 4);
    Subset(kCpuMems, 2);
    Ceiling(kMemoryMax, 4'096 * 2, 1 << 30);
    const uint64_t max = made_.Number(kMemoryMax).value_or(1 << 30);
    if (const auto high = above_.Number(kMemoryHigh); !high || *high > 4'096)
      Number(kMemoryHigh, 4'096, std::min(max - 1, high.value_or(max)));
    Number(kMemoryLow, 0, max);
    Number(kMemoryMin, 0, max);
    Ceiling(kSwapMax, 0, 1 << 28);
    Number(kOomGroup, 0, 1);
    Ceiling(kPidsMax, 1, 10'000);
    Number(kIoWeight, 1, 10'000);
    Number({kHugetlbMax, 2 << 20}, 0, above_.Number({kHugetlbMax, 2 << 20}).value_or(64 << 20));
    return made_;
  }

 private:
  bool Chance(uint32_t of) { return random_() % of == 0; }
  uint64_t Between(uint64_t low, uint64_t high) {
    return std::uniform_int_distribution<uint64_t>(low, std::max(low, high))(random_);
  }
  void Number(const LimitId& id, uint64_t low, uint64_t high) {
    if (Chance(2)) made_.Set(id, Between(low, high));
  }
  void Ceiling(LimitKind kind, uint64_t low, uint64_t high) { Number(kind, low, above_.Number(kind).value_or(high)); }
  void Subset(LimitKind kind, uint32_t count) {
    if (Chance(2)) return;
    const LimitValue* outer = above_.Find(kind);
    IndexSet all, set;
    for (uint32_t i = 0; i < count; ++i) {
      all.Add(i);
      if (Chance(2)) set.Add(i);
    }
    if (outer) all = outer->set();
    set = set.Intersection(all);
    made_.Set(kind, set.empty() ? all : set);
  }

  std::mt19937& random_;
  const Limits& above_;
  Limits made_;
};

}  // namespace

Limits RandomLimits(std::mt19937& random, const Limits& above) { return Maker(random, above).Make(); }

}  // namespace bulkhead::test
