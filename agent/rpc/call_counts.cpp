#include "agent/rpc/call_counts.h"

#include <array>

namespace bulkhead {
namespace {

// By number, as gRPC writes them.
constexpr std::array kNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

}  // namespace

void CallCounts::Add(const char* method, grpc::StatusCode code) {
  const auto number = static_cast<size_t>(code);
  const char* name = number < kNames.size() ? kNames[number] : "UNKNOWN";
  counts_.With([&](Counts& counts) { ++counts[{method, name}]; });
}

}  // namespace bulkhead
