#include "agent/plan/id_pool.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace bulkhead {
namespace {

TEST(IdPool, LowestFreeAgreesWithASetOnRandomOperations) {
  std::mt19937 random(7);
  IdPool pool;
  std::set<uint32_t> used;
  for (int i = 0; i < 20'000; ++i) {
    const auto id = static_cast<uint32_t>(random() % 40);
    if (random() % 2) {
      pool.Take(id);
      used.insert(id);
    } else {
      pool.Free(id);
      used.erase(id);
    }
    const auto from = static_cast<uint32_t>(random() % 45);
    uint32_t expected = from;
    while (used.contains(expected)) ++expected;
    ASSERT_EQ(pool.LowestFree(from), expected);
  }
}

}  // namespace
}  // namespace bulkhead
