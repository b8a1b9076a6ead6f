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
  // Why the host cannot enforce a limit in full, asked for together with others; empty = it can.
  std::function<std::string(const CgroupPath&, const LimitId&, const Limits& with)> weakness;
  const Disks& disks;  // under the paths of all specs
  uint32_t max_tasks = 0;
  uint64_t memory_bytes = UINT64_MAX;  // of which guarantees are given
  uint64_t reserved_bytes = 0;         // and this is not
};

// The object twice, in any order, is InvalidArgument.
Status CheckDuplicates(const std::vector<ObjectSpec>& objects);

// `target` is desired state with `objects` in it and what is to be removed gone. Judges the objects and what they touch
// (a tenant's tasks, a task's tenant); an old inconsistency elsewhere does not block them. Every error names object and
// field: InvalidArgument; NotFound for a tenant that is not there; FailedPrecondition for what an object requires and
// the host cannot enforce; ResourceExhausted for too many tasks, and for guarantees of memory that the host does not
// have.
Status ValidateObjects(const std::vector<ObjectSpec>& objects, const DesiredState& target, const ValidationHost& host);

}  // namespace bulkhead
