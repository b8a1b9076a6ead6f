// Whether a set of objects is consistent and within what this host can enforce, before anything is touched. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/engine/state_store.h"
#include "agent/model/specs.h"

namespace bulkhead {

struct ValidationHost {
  std::function<std::string(LimitKind)> unsupported;  // why the host cannot enforce it; empty = it can
  uint32_t max_tasks = 0;
};

// The object twice, in any order, is InvalidArgument.
Status CheckDuplicates(const std::vector<ObjectSpec>& objects);

// `target` is desired state with `objects` in it and what is to be removed gone. Judges the objects and what they touch
// (a tenant's tasks, a task's tenant); an old inconsistency elsewhere does not block them. Every error names object and
// field: InvalidArgument; NotFound for a tenant that is not there; FailedPrecondition for what the host cannot enforce;
// ResourceExhausted for too many tasks.
Status ValidateObjects(const std::vector<ObjectSpec>& objects, const DesiredState& target, const ValidationHost& host);

}  // namespace bulkhead
