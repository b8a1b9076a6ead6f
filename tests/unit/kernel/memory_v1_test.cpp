#include "agent/kernel/memory_v1.h"

#include <gtest/gtest.h>

namespace bulkhead {
namespace {

constexpr uint64_t kNone = MemoryV1::kNoLimit;

void ExpectIs(const MemoryV1& held, uint64_t memory, uint64_t with_swap) {
  EXPECT_EQ(held.memory, memory);
  EXPECT_EQ(held.with_swap, with_swap);
}

TEST(MemoryV1, AFirstLimitLeavesNoSwap) { ExpectIs(MemoryV1{}.WithMemory(100), 100, 100); }

TEST(MemoryV1, ALaterOneKeepsTheSwapThatWasAllowed) {
  ExpectIs(MemoryV1{100, 130}.WithMemory(200), 200, 230);
  ExpectIs(MemoryV1{100, 130}.WithMemory(50), 50, 80);
  ExpectIs(MemoryV1{100, kNone}.WithMemory(50), 50, kNone);
}

TEST(MemoryV1, LiftingLiftsBoth) { ExpectIs(MemoryV1{100, 130}.WithMemory(std::nullopt), kNone, kNone); }

TEST(MemoryV1, SwapIsTheDifference) {
  EXPECT_EQ((MemoryV1{100, 130}.swap()), 30u);
  EXPECT_EQ((MemoryV1{100, 100}.swap()), 0u);
  EXPECT_EQ((MemoryV1{100, kNone}.swap()), std::nullopt);
  EXPECT_EQ(MemoryV1{}.swap(), std::nullopt);
  ExpectIs(MemoryV1{100, 130}.WithSwap(5), 100, 105);
  ExpectIs(MemoryV1{100, 130}.WithSwap(std::nullopt), 100, kNone);
}

}  // namespace
}  // namespace bulkhead
