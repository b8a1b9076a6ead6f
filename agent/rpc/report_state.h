// The report stream to the controller, as it is now.
#pragma once

#include <string>

namespace bulkhead {

struct ReportState {
  std::string address;     // empty: no controller is configured
  bool connected = false;  // a stream is open and was answered
  std::string error;       // why not, when not connected
};

}  // namespace bulkhead
