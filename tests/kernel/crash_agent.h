// An agent as main.cpp wires it, on the real kernel, with a gate before every change; and what must hold of the kernel
// after it has recovered. For the processes that CrashWorld::RunAgent forks.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/engine/engine.h"
#include "agent/engine/observe.h"
#include "agent/kernel/bpf_policy.h"
#include "tests/kernel/crash_world.h"
#include "tests/kernel/mutation_gate.h"
#include "tests/support/fake_clock.h"

namespace bulkhead::test {

inline constexpr Baseline kBaseline = Baseline::kIsolate;

std::vector<ObjectSpec> ObjectsOf(const DesiredState& desired);
// Desired state after these are applied and those are gone.
DesiredState With(DesiredState desired, const std::vector<ObjectSpec>& put, const std::vector<ObjectKey>& remove);

class CrashAgent {
 public:
  using Say = CrashWorld::Say;
  // Problems are said, one per line; nullptr when the parts could not be opened.
  static std::unique_ptr<CrashAgent> Open(CrashWorld& world, const Say& say);

  Engine& engine() { return *engine_; }
  MutationGate& gate() { return gate_; }
  void SayWith(Say say) { say_ = std::move(say); }
  Result<Observed> Observe() { return ObserveAll(*tree_, *maps_); }

  // Starts, and goes on until no removal waits: a process that was killed may take some time to be gone.
  void Recover();
  // Before Recover: every object is old or new. What is in both states is there and guarded.
  void CheckTorn(const DesiredState& before, const DesiredState& after);
  // After it: desired state is one of these, the kernel equals it, nothing is over, the next plan is empty.
  void CheckRecovered(const std::vector<DesiredState>& possible);
  void CheckSettled();
  // To this state, and the processes into their tasks.
  void Restore(const DesiredState& state, const std::vector<CrashWorld::Placed>& placed);
  // No packet of the allowed flows was ever dropped, none crossed between tenants.
  void CheckCounters();

 private:
  CrashAgent(CrashWorld& world, const Say& say) : world_(world), say_(say) {}
  void Require(const Status& status, const std::string& what);
  std::map<TaskId, CompiledPolicy::Hash> HashesOf(const DesiredState& desired);
  void CheckCgroups();
  void CheckTables();
  void CheckEmptyPlan();

  CrashWorld& world_;
  Say say_;
  MutationGate gate_;
  FakeClock clock_;
  std::unique_ptr<LibcgroupTree> tree_;
  std::unique_ptr<BpfPolicy> maps_;
  std::unique_ptr<GatedTree> gated_tree_;
  std::unique_ptr<GatedMaps> gated_maps_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<Engine> engine_;
};

// Brings a new world to this state, with its traffic up; what went wrong, one problem a line.
std::string Begin(CrashWorld& world, const DesiredState& state);

}  // namespace bulkhead::test
