// Owns what this node should enforce and makes the kernel agree: apply, delete, recover and reconcile all run the same
// MakePlan. Core thread only.
//
// State before kernel. Apply makes the wanted specs durable, in one transaction, before the first step, and takes back
// those of refused objects after the last; a removal is marked as begun before the kill, and its row goes after the
// cgroup. A removal that has to wait (processes that still end, a ledger that takes no last usage) keeps its mark, its
// cgroup and its walls, and goes on with every tick: until then the object is DEGRADED, with the reason, takes no
// process and cannot be applied. A kill -9 at any point therefore leaves an object either as it was (before the
// transaction) or on its way to what was asked, and Recover goes the rest of the way: every cgroup that may exist is
// known to the state, so none leaks. The other order would leave cgroups that nobody knows. A directory that cannot be
// written is found before anything has changed. If the second transaction fails, the node is DEGRADED and every tick
// tries it again.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/status.h"
#include "agent/engine/batch.h"
#include "agent/engine/event_log.h"
#include "agent/engine/executor.h"
#include "agent/engine/observe.h"
#include "agent/engine/policy_cache.h"
#include "agent/engine/state_store.h"
#include "agent/engine/stats.h"
#include "agent/kernel/cgroup_tree.h"
#include "agent/kernel/policy_maps.h"
#include "agent/model/limit_levels.h"
#include "agent/model/specs.h"
#include "agent/model/usage.h"
#include "agent/plan/step.h"

namespace bulkhead {

// kPending: a limit is to come and an older, wider one stands until then.
enum class Enforcement { kEnforced, kPending, kDegraded, kFailed };
struct ApplyOptions {
  bool validate_only = false;
  bool prune = false;
  // The objects are all that the manifests folder names now. Others that it named before are left over: they stay, and
  // are told once by an event and by LeftOver until they are deleted, applied by a client, or named again.
  bool manifests = false;
};

// What the kernel says of a tenant or task, read when asked.
struct ObjectState {
  Enforcement enforcement = Enforcement::kEnforced;
  std::vector<std::string> reasons;
  // Something that this host can enforce is missing. Without it DEGRADED means: all that this host can.
  bool walls_missing = false;
  Limits effective_limits;
  OverallLimits overall;                 // with those of the levels above
  std::vector<OverCommit> over_commits;  // tenants
  uint64_t cgroup_id = 0;
  bool populated = false;
  std::string uid;  // tasks
};

// What the last look at the kernel found: at a change, and at every reconciliation. Nothing is read for it.
struct LastSeen {
  Enforcement enforcement = Enforcement::kEnforced;
  Limits held;
};

struct AttachOutcome {
  int pid = 0;
  Status error;
  uint32_t sockets_outside = 0;
  std::string sockets_unknown;  // why there may be more of them; empty: there are not
};

class Engine {
 public:
  struct Parts {
    CgroupTree& tree;
    PolicyMaps& maps;
    StateStore& store;
    const Clock& clock;
    EventLog& events;
    std::function<Result<DiskId>(const std::string& path)> disk_under;  // DiskUnder, kernel/disks.h
  };
  // Called with a task whose processes are gone and whose cgroup and counters are still there: the last sample. The
  // cgroup goes only after an Ok.
  using BeforeRemove = std::function<Status(const LiveTask&)>;

  Engine(Parts parts, Baseline baseline, BeforeRemove before_remove);

  // Loads the state, adopts what the kernel still holds and enforces the rest. Objects that cannot be enforced are
  // reported by StateOf and events; only unreadable state is an error.
  Status Recover();

  // Validation of the whole set first; its failure changes nothing. Then object by object in order of dependency.
  Result<std::vector<ObjectResult>> Apply(const std::vector<ObjectSpec>& objects, const ApplyOptions& options);
  // The steps done. Unavailable: the removal has begun and goes on by itself.
  Result<std::vector<std::string>> Delete(const std::string& kind, const std::string& name);
  Result<std::vector<AttachOutcome>> Attach(const TaskId& task, const std::vector<int>& pids);

  // Compares desired with kernel and repairs; one event per repair. For a timer.
  void Reconcile();
  // Goes on with removals that wait. For a timer that is faster than Reconcile's; nothing to do is nothing done.
  void ContinueRemovals() { (void)FinishRemovals(); }  // a kernel that cannot be read is said by Reconcile

  // Memory of this host that guarantees may be given from: bytes in all, and what of them is kept for the host itself.
  // Without it every guarantee is taken.
  void SetGuaranteed(uint64_t memory_bytes, uint64_t reserved_bytes) {
    memory_bytes_ = memory_bytes;
    reserved_bytes_ = reserved_bytes;
  }

  // Looks at the top cgroup only, and reconciles at once when it is gone or another one, which has no wall yet. For a
  // timer that ticks several times a second.
  void WatchRoot();

  const DesiredState& desired() const { return desired_; }
  ObjectState StateOf(const TenantId& tenant) const;
  ObjectState StateOf(const TaskId& task) const;
  std::vector<ObjectKey> LeftOver() const;
  LastSeen LastSeenOf(const TenantId& tenant) const;  // that is desired, and so below
  LastSeen LastSeenOf(const TaskId& task) const;
  ObjectState NodeState() const;  // enforcement and reasons of the node as a whole
  std::vector<LiveTask> LiveTasks() const;
  const EngineStats& stats() const { return stats_; }

 private:
  // Of the engine's own state. The executor is the caller's, since it lives as long as the call.
  Workspace SpaceOf(const HostFacts& host, Executor& executor);
  Executor MakeExecutor();

  Result<std::vector<ObjectResult>> Simulate(std::vector<ObjectSpec> objects, std::vector<ObjectKey> removals);
  Result<std::vector<ObjectResult>> RunBatch(std::vector<ObjectSpec> objects, std::vector<ObjectKey> removals,
                                             bool manifests);
  // Objects of a request that take no part in its batch, and their results.
  struct HeldBack {
    std::vector<ObjectKey> order;  // of the request
    std::map<ObjectKey, ObjectResult> results;
    std::vector<ObjectResult> With(const std::vector<ObjectResult>& done) const;  // all, in the request's order
  };
  HeldBack HoldBack(std::vector<ObjectSpec>& objects, std::vector<ObjectKey>& removals) const;
  Result<Disks> FindDisks(const std::vector<ObjectSpec>& objects) const;
  void FindDisksAgain();
  Asked AskedIn(const DesiredState& desired) const;
  Result<DesiredState> Validate(const std::vector<ObjectSpec>& objects, const std::vector<ObjectKey>& removals,
                                const Disks& disks) const;
  Result<PolicyCache> CompileAhead(const std::vector<ObjectSpec>& objects, const std::vector<ObjectKey>& removals,
                                   const DesiredState& target) const;
  std::vector<ObjectKey> AllBut(const std::vector<ObjectSpec>& objects) const;
  Status CheckNoStrangers(const TenantId& tenant, const DesiredState& target) const;
  Status Refresh(const std::vector<ObjectSpec>& objects, const std::vector<ObjectKey>& removals,
                 const DesiredState& target);
  void Settle(const std::vector<StateChange>& changes);
  void Report(const std::vector<ObjectResult>& results);
  void NoteManifests(const std::vector<ObjectResult>& results, bool manifests);

  Status LookAgain();
  Status EnsureRoot(const std::string& event);
  Status FinishRemovals();
  void EnforceAll(const std::string& event);
  void EnforceOne(const Workspace& space, const ObjectKey& key, const PlanScope& scope, const std::string& event);
  void SetFailure(const ObjectKey& key, const Status& status);
  void NoteRemoval(const ObjectResult& result);
  Status SampleBeforeRemove(const CgroupPath& path);

  std::vector<CgroupPath> Strangers() const;  // cgroups that no desired object knows
  ObjectState StateOfCgroup(const ObjectKey& key, const CgroupPath& path) const;
  Limits EffectiveAt(const CgroupPath& path) const;
  OverallLimits OverallAt(const CgroupPath& path, const Limits& held) const;
  bool MayReclaim(const CgroupPath& path, uint64_t limit, uint64_t in_use);
  void ForgetShrinks();
  bool JudgeShrink(const CgroupPath& path, const LimitId& id, const std::optional<LimitValue>& held,
                   ObjectState& state) const;
  void JudgeProtection(const CgroupPath& path, const Limits& effective, ObjectState& state) const;
  void JudgeLimits(const CgroupPath& path, const Limits& effective, const Limits& held, ObjectState& state) const;

  Parts parts_;
  Baseline baseline_;
  BeforeRemove before_remove_;
  EngineStats stats_;

  DesiredState desired_;
  std::map<TaskId, std::string> uids_;
  PolicyCache policies_;
  // What the kernel held when last looked at, and what was done to it since. Tables of the data plane have no other
  // writer; cgroups are read anew for every change.
  Observed have_;
  bool have_is_stale_ = true;                    // something failed half-way: look at everything again
  Disks disks_;                                  // under the paths of all desired specs
  std::map<std::string, std::string> diskless_;  // path → why none was found there
  struct Shrink {
    uint64_t limit = 0;   // that is to come
    uint64_t in_use = 0;  // when last looked at
    BootTime since{};
  };
  std::map<CgroupPath, Shrink> shrinks_;
  uint64_t memory_bytes_ = UINT64_MAX;
  uint64_t reserved_bytes_ = 0;
  uint64_t root_id_ = 0;
  Limits top_limits_;  // of the top cgroup, which are somebody else's
  uint64_t ticks_ = 0;

  std::map<ObjectKey, std::string> removing_;  // removals that have begun, and what they wait for
  std::map<ObjectKey, std::string> failures_;  // of the last repair, by object; kind "node" for the node
  ManifestObjects manifests_;
  std::vector<StateChange> unsaved_;  // what the store could not take after the kernel had changed
};

}  // namespace bulkhead
