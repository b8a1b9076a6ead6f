// Performs plans on the kernel, step by step, and takes back what a failed one did.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/engine/stats.h"
#include "agent/kernel/cgroup_tree.h"
#include "agent/kernel/policy_maps.h"
#include "agent/plan/observed.h"
#include "agent/plan/step.h"

namespace bulkhead {

// What was done, and how to take it back.
struct Journal {
  std::vector<std::string> done;
  std::vector<Step> undo;  // in order of doing; performed backwards
  // Why a removal came no further than this; what it has not done yet still stands, and it is to be tried again.
  enum class Hold {
    kNone,
    kDying,       // processes that were killed are not gone yet
    kUnrecorded,  // the ledger does not take the last usage
  };
  Hold hold = Hold::kNone;
  // Not empty: a memory.max waits until what is in use fits, with the old one in place; what it waits for.
  std::string shrinking;
};

// Core thread only. Keeps `have` in agreement with the kernel.
class Executor {
 public:
  enum class Mode {
    kPerform,
    kSimulate,  // only `have` changes: for validate_only
  };
  // The cgroup is empty and still there. An error keeps it there.
  using BeforeRemove = std::function<Status(const CgroupPath&)>;
  // May memory be taken back (any longer) from a cgroup that uses more than the limit it is to get?
  using MayReclaim = std::function<bool(const CgroupPath&, uint64_t limit, uint64_t in_use)>;

  // `counts`: of what is done on the kernel; nullptr: nobody counts.
  Executor(CgroupTree& tree, PolicyMaps& maps, Observed& have, Mode mode, BeforeRemove before_remove,
           StepCounts* counts = nullptr)
      : tree_(tree), maps_(maps), have_(have), mode_(mode), before_remove_(std::move(before_remove)), counts_(counts) {}

  // Stops at the first failure, which names the step; the caller decides about Undo. A policy that cannot be retired is
  // no failure: it judges nobody, and the next Reconcile tries again. Nor is a memory.max that waits for memory to be
  // reclaimed: the other steps are done.
  Status Run(const std::vector<Step>& steps, Journal& journal);
  // Run, Undo on failure; then the message also says what could not be taken back.
  Status RunOrUndo(const std::vector<Step>& steps, Journal& journal);
  // Repairing what runs: a limit that cannot be set does not keep the other walls from being set. The first error.
  Status RunAll(const std::vector<Step>& steps, Journal& journal);
  // Kills and removals cannot be taken back. The first error; the rest is undone all the same.
  Status Undo(Journal& journal);
  // How long kills from here on may take, together, until the processes are gone. Without it they are killed, and what
  // is not gone at once waits.
  void GrantPatience(std::chrono::milliseconds patience) { patience_ = patience; }
  void AskBeforeReclaim(MayReclaim may_reclaim) { may_reclaim_ = std::move(may_reclaim); }

 private:
  Status Attempt(const Step& step, Journal& journal);
  Status Do(const Step& step);
  static bool Shrinks(const SetLimit& step);
  static bool IsRefusedShrink(const Step& step, const Status& status);
  Result<bool> HasRoom(const SetLimit& step, Journal& journal);
  Result<bool> Reclaim(const SetLimit& step, uint64_t in_use, Journal& journal);
  static bool WaitsFor(const SetLimit& step, uint64_t in_use, Journal& journal);
  Status Unpress(const CgroupPath& path);
  Status Kill(const CgroupPath& path);
  Status TakeLastSample(const CgroupPath& path);
  Result<uint64_t> DoOnKernel(Step& step);
  std::vector<Step> InverseOf(const Step& step) const;

  CgroupTree& tree_;
  PolicyMaps& maps_;
  Observed& have_;
  Mode mode_;
  BeforeRemove before_remove_;
  StepCounts* counts_;
  MayReclaim may_reclaim_;
  std::map<CgroupPath, std::optional<LimitValue>> pressed_;  // by memory.high; what that was before
  std::chrono::milliseconds patience_{0};                    // what is left of it
  Status unrecorded_;                                        // why the ledger took no last usage: it takes no other now
  uint64_t next_simulated_id_ = uint64_t{1} << 63;           // no kernel gives these out
};

}  // namespace bulkhead
