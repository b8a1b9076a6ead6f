// `bulkhead-controller usage` and `nodes`: ask a running controller and print.
#pragma once

#include <string>

#include "agent/base/status.h"
#include "controller/server.h"

namespace bulkhead {

struct ShowOptions {
  std::string address;
  TlsFiles tls;
  std::string tenant;
  bool json = false;  // protobuf JSON of the response, else a table
};

// What to print, with its line ends.
Result<std::string> ShowUsage(const ShowOptions& options);
Result<std::string> ShowNodes(const ShowOptions& options);

}  // namespace bulkhead
