// The objects of one Apply or Delete, brought to the kernel in order of dependency: tenants are made and widened, then
// policies, then tasks, then tenants narrow, then removals, tasks before tenants. The first failure stops the batch;
// what the failed object did is undone, what came before stands, the rest is refused untried.
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

enum class Outcome { kCreated, kChanged, kUnchanged, kRefused, kDeleted };

struct ObjectResult {
  std::string kind;  // "tenant", "task", "policy"
  std::string name;
  Outcome outcome = Outcome::kUnchanged;
  Status error;                    // with kRefused
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
    bool Changes() const { return before != want; }
  };

  void WidenTenants();
  void ApplyPolicies();
  void ApplyPoliciesOf(const std::string& tenant, const std::vector<Item*>& items);
  void ApplyTasks();
  void NarrowTenants();
  void RemoveTasks();
  void RemoveTenants();
  std::vector<Item*> Items(const std::string& kind, bool removals);
  std::set<TaskId> SelectedByAny(const std::string& tenant, const std::vector<Item*>& items) const;
  bool Skip(Item& item);
  void Refuse(Item& item, const Status& error);
  void Enact(const Item& item);  // in desired state
  void Revert(Item& item);

  Workspace space_;
  std::vector<Item> items_;
  std::string failed_;  // the object that stopped the batch
};

}  // namespace bulkhead
