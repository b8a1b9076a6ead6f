#include "agent/kernel/io_scheduler.h"

#include <filesystem>

#include "agent/base/file_io.h"

namespace bulkhead {

IoWeightWays FindIoWeightWays(const std::string& block, const std::string& cost_file) {
  IoWeightWays ways;
  std::error_code error;
  for (const auto& disk : std::filesystem::directory_iterator(block, error)) {
    const auto scheduler = ReadFile((disk.path() / "queue/scheduler").string());
    if (scheduler.ok() && scheduler->find("[bfq]") != std::string::npos) ways.bfq = true;
  }
  const auto cost = ReadFile(cost_file);  // "254:0 enable=1 ctrl=auto …"
  ways.io_cost = cost.ok() && cost->find(" enable=1") != std::string::npos;
  return ways;
}

}  // namespace bulkhead
