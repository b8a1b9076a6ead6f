// Our errors as gRPC's: the codes are the same numbers.
#pragma once

#include <grpcpp/support/status.h>

#include "agent/base/status.h"

namespace bulkhead {

// A message longer than trailing metadata may be is cut, at a character's border.
grpc::Status ToGrpc(const Status& status);

}  // namespace bulkhead
