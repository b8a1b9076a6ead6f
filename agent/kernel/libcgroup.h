// The part of libcgroup that we use: discovery, making a cgroup with its controllers, removing one. The only file pair
// that includes <libcgroup.h>.
//
// What libcgroup 2.0.2 is not used for, and why (each measured):
// - attaching: on v1 it writes "tasks", which moves a single thread, and leaves the others behind;
// - values: each read or write walks the mount table and opens by path, 8 to 190 times the cost of a held descriptor;
// - tasks: see LibcgroupTree::Create;
// - several controllers per removal: on v2 it removes the directory once per controller and fails the second time.
#pragma once

#include <string>
#include <vector>

#include "agent/base/status.h"

namespace bulkhead {

// Reads the mount table, once per process: libcgroup rewrites it without a lock. Every function below does it first.
Status InitLibcgroup();

// Makes `name` (below the hierarchies' tops; parents too) in the hierarchy of each controller and, on v2, enables the
// controllers in the parents. Existing directories are no error. At least one controller: with none libcgroup makes
// nothing and says all went well.
Status LibcgroupCreate(const std::string& name, const std::vector<const char*>& controllers);

// Removes the directory in the hierarchy of the controller; EBUSY when processes or cgroups are in it. Processes are
// never moved to the parent (libcgroup's default). Gone already = ok.
Status LibcgroupDelete(const std::string& name, const char* controller);

}  // namespace bulkhead
