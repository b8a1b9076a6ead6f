// How many calls the API has answered, and how.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "agent/base/mailbox.h"

namespace bulkhead {

// Any thread.
class CallCounts {
 public:
  using Counts = std::map<std::pair<std::string, std::string>, uint64_t>;  // by method and code, "OK", "NOT_FOUND"

  void Add(const char* method, grpc::StatusCode code);
  Counts Get() const { return counts_.Get(); }

 private:
  Guarded<Counts> counts_;
};

}  // namespace bulkhead
