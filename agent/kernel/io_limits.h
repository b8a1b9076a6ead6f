// The files that limit I/O per disk: io.max in cgroup v2, four files in v1. Pure.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/status.h"
#include "agent/model/disk_id.h"
#include "agent/model/limits.h"

namespace bulkhead {

Result<DiskId> DiskFromText(std::string_view text);  // "254:0"
// "254:0 rbps=1048576" or, to lift it, "254:0 rbps=max"; v1: "254:0 1048576", "254:0 0".
std::string IoToText(const LimitId& id, const std::optional<LimitValue>& value, bool v2);
// Adds what a file says: io.max of all four kinds, a file of v1 of the `kind` that it is for.
Status IoFromText(std::string_view text, bool v2, LimitKind kind, Limits& limits);

}  // namespace bulkhead
