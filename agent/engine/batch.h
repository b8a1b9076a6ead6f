// The objects of one Apply or Delete, brought to the kernel in order of dependency: tenants are made and widened, then
// policies, then tasks, then tenants narrow, then removals, tasks before tenants. The first failure stops the batch;
// what the failed object did is undone, what came before stands, the rest is refused untried. A removal whose processes
// take their time to die, or whose last usage the ledger does not take now, is no failure of the others: it waits,
// marked as begun, with cgroup and walls as they are; and its tenant waits for it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/engine/executor.h"
#include "agent/engine/policy_cache.h"
#include "agent/engine/state_store.h"
#include "agent/model/specs.h"
#include "agent/plan/plan.h"

namespace bulkhead {

enum class Outcome { kCreated, kChanged, kUnchanged, kRefused, kPending, kDeleted };

struct ObjectResult {
  std::string kind;  // "tenant", "task", "policy"
  std::string name;
  Outcome outcome = Outcome::kUnchanged;
  Status error;                    // with kRefused and kPending
  bool waits = false;              // a removal that has begun, or a limit that is to come: goes on by itself, later
  std::vector<std::string> steps;  // done, or to be done
};

// nullopt: there is no such object. Keys are those that KeyOf makes.
std::optional<ObjectSpec> Find(const DesiredState& desired, const ObjectKey& key);
void Assign(DesiredState& desired, const ObjectKey& key, const std::optional<ObjectSpec>& spec);

// What a batch works on: the engine's own, or copies of it for validate_only.
struct Workspace {
  DesiredState& desired;
  std::map<TaskId, std::string>& uids;
  const Observed& have;
  PolicyCache& policies;  // of the policies as they will be after the batch
  const HostFacts& host;
  Executor& executor;
};

// Plans for the objects in scope and performs it, or undoes it.
Status Enforce(const Workspace& space, const PlanScope& scope, Journal& journal);
Result<std::vector<Step>> PlanFor(const Workspace& space, const PlanScope& scope);

class Batch {
 public:
  // Validated already. `remove` names objects that exist.
  Batch(const Workspace& space, const std::vector<ObjectSpec>& put, const std::vector<ObjectKey>& remove);
  // Of removals that have begun already. Each by itself, and whatever keeps one from its end, it waits.
  static Batch Finishing(const Workspace& space, const std::vector<ObjectKey>& remove);

  // To be durable before Run, and after it. Between the two a crash leaves what Recover completes: objects are as
  // wanted, removals have begun.
  std::vector<StateChange> Intent() const;
  std::vector<StateChange> Settlement() const;

  void Run();
  std::vector<ObjectResult> Results() const;  // in the order of `put`, then of `remove`

 private:
  struct Item {
    ObjectKey key;
    std::optional<ObjectSpec> before;
    std::optional<ObjectSpec> want;
    std::string uid;
    Journal journal;
    Status error;
    bool waits = false;
    bool Changes() const { return before != want; }
  };

  void WidenTenants();
  void ApplyPolicies();
  void ApplyPoliciesOf(const std::string& tenant, const std::vector<Item*>& items);
  void ApplyTasks();
  void NarrowTenants();
  void RemoveTasks();
  void RemoveTask(Item& item);
  void RemoveTenants();
  std::vector<Item*> Items(const std::string& kind, bool removals);
  std::set<TaskId> SelectedByAny(const std::string& tenant, const std::vector<Item*>& items) const;
  bool Skip(Item& item);
  void Refuse(Item& item, const Status& error);
  void Wait(Item& item, const std::string& what_for);
  void WaitForMemory(Item& item, const Journal& journal);
  void Enact(const Item& item);  // in desired state
  void Revert(Item& item);

  Workspace space_;
  std::vector<Item> items_;
  std::string failed_;  // the object that stopped the batch
  bool finishing_ = false;
};

}  // namespace bulkhead
