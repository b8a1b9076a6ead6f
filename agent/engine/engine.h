// Owns what this node should enforce and makes the kernel agree: apply, delete, recover and reconcile all run the same
// MakePlan. Core thread only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/status.h"
#include "agent/engine/event_log.h"
#include "agent/engine/state_store.h"
#include "agent/kernel/cgroup_tree.h"
#include "agent/kernel/policy_maps.h"
#include "agent/model/specs.h"
#include "agent/model/usage.h"
#include "agent/plan/step.h"

namespace bulkhead {

enum class Enforcement { kEnforced, kDegraded, kFailed };
enum class Outcome { kCreated, kChanged, kUnchanged, kRefused, kDeleted };

struct ApplyOptions {
  bool validate_only = false;
  bool prune = false;
};

struct ObjectResult {
  std::string kind;  // "tenant", "task", "policy"
  std::string name;
  Outcome outcome = Outcome::kUnchanged;
  Status error;                    // with kRefused
  std::vector<std::string> steps;  // done, or to be done
};

// What the kernel says of a tenant or task, read when asked.
struct ObjectState {
  Enforcement enforcement = Enforcement::kEnforced;
  std::vector<std::string> reasons;
  Limits effective_limits;
  uint64_t cgroup_id = 0;
  bool populated = false;
  std::string uid;  // tasks
};

struct AttachOutcome {
  int pid = 0;
  Status error;
  uint32_t sockets_outside = 0;
};

class Engine {
 public:
  struct Parts {
    CgroupTree& tree;
    PolicyMaps& maps;
    StateStore& store;
    const Clock& clock;
    EventLog& events;
  };
  // Called with a task whose processes are gone and whose cgroup and counters are still there: the last sample.
  using BeforeRemove = std::function<void(const LiveTask&)>;

  Engine(Parts parts, Baseline baseline, BeforeRemove before_remove);

  // Loads the state, adopts what the kernel still holds and enforces the rest. Objects that cannot be enforced are
  // reported by StateOf and events; only unreadable state is an error.
  Status Recover();

  // Validation of the whole set first; its failure changes nothing. Then object by object in order of dependency.
  Result<std::vector<ObjectResult>> Apply(const std::vector<ObjectSpec>& objects, const ApplyOptions& options);
  Result<std::vector<std::string>> Delete(const std::string& kind, const std::string& name);  // the steps done
  Result<std::vector<AttachOutcome>> Attach(const TaskId& task, const std::vector<int>& pids);

  // Compares desired with kernel and repairs; one event per repair. For a timer.
  void Reconcile();

  const DesiredState& desired() const { return desired_; }
  ObjectState StateOf(const TenantId& tenant) const;
  ObjectState StateOf(const TaskId& task) const;
  ObjectState NodeState() const;  // enforcement and reasons of the node as a whole
  std::vector<LiveTask> LiveTasks() const;

 private:
  // (owner of this file: complete)
  DesiredState desired_;
};

}  // namespace bulkhead
