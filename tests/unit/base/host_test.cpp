#include "agent/base/host.h"

#include <gtest/gtest.h>

namespace bulkhead {
namespace {

TEST(KernelRelease, TheFirstTwoNumbersCount) {
  EXPECT_EQ(ParseKernelRelease("6.1.0-50-cloud-amd64"), KernelVersion(6, 1));
  EXPECT_EQ(ParseKernelRelease("6.12"), KernelVersion(6, 12));
  EXPECT_EQ(ParseKernelRelease("unknown"), KernelVersion(0, 0));
  EXPECT_LT(ParseKernelRelease("6.9.1"), KernelVersion(6, 12)) << "numbers, not text";
  EXPECT_GT(ParseKernelRelease(KernelRelease()), KernelVersion(5, 0));
}

}  // namespace
}  // namespace bulkhead
