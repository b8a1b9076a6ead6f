// What the agent knows of its host, judged. Pure.
#pragma once

#include <vector>

#include "agent/model/diagnosis.h"

namespace bulkhead {

// At least one finding for each thing that is looked at, in a fixed order: walls, files, kernel features, limits,
// capabilities, foreign programs, tables, state, spool, controller.
std::vector<Finding> Diagnose(const DiagnosisFacts& facts);

}  // namespace bulkhead
