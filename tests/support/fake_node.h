// An agent without a kernel: the real engine and state store on the fakes, wired like main.cpp. Users link
// bulkhead_engine and bulkhead_convert.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "agent/engine/engine.h"
#include "agent/engine/observe.h"
#include "agent/rpc/convert.h"
#include "tests/support/builders.h"
#include "tests/support/fake_cgroup_tree.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_policy_maps.h"
#include "tests/support/temp_dir.h"

namespace bulkhead::test {

class FakeNode {
 public:
  explicit FakeNode(Baseline node_baseline = Baseline::kIsolate, const LimitHost& host = FakeCgroupTree::Unified())
      : baseline(node_baseline), tree(&steps, host) {
    Start();
  }

  // The agent process begins (again). The kernel and the state directory live on.
  void Start() {
    engine.reset();
    store.reset();
    const auto encode = [this](const ObjectSpec& spec) {
      if (crash_while_saving) throw SimulatedCrash{};
      return EncodeSpec(spec);
    };
    auto opened = StateStore::OpenOrSetAside(state_path(), {encode, DecodeSpec}, set_aside);
    if (!opened.ok()) throw std::runtime_error(Message(opened.status()));
    store = *std::move(opened);
    events = std::make_unique<EventLog>(clock, 1000);
    engine = std::make_unique<Engine>(Parts(), baseline, [this](const LiveTask& task) {
      sampled.push_back(task);
      return ledger;
    });
    recovered = engine->Recover();
  }
  Engine::Parts Parts() {
    return {tree, maps, *store, clock, *events, [this](const std::string& path) -> Result<DiskId> {
              const auto found = disks.find(path);
              if (found == disks.end()) return NotFound(path + ": No such file or directory");
              return found->second;
            }};
  }
  std::string state_path() const { return directory / "state.db"; }

  Observed Kernel() {
    auto observed = ObserveAll(tree, maps);
    return observed.ok() ? *observed : Observed{};
  }
  // The policy that judges the task's packets now; nullptr: none, everything is dropped.
  const CompiledPolicy* PolicyOf(const std::string& task) {
    const TaskBinding* binding = maps.BindingOf(tree.IdOf(task));
    return binding ? maps.Installed(binding->policy_id) : nullptr;
  }
  // "repaired acme/web: acme/web: memory.max = …", oldest first.
  std::vector<std::string> EventsOf(const std::string& type) const {
    std::vector<std::string> texts;
    for (const Event& event : events->After(0))
      if (event.type == type) texts.push_back(event.object + ": " + event.message);
    return texts;
  }

  Baseline baseline;
  TempDir directory;
  StepCounter steps;
  FakeClock clock;
  FakeCgroupTree tree;
  FakePolicyMaps maps{tree, &steps};
  bool crash_while_saving = false;  // within the transaction
  Disks disks;                      // what paths are on
  std::string set_aside;
  std::unique_ptr<StateStore> store;
  std::unique_ptr<EventLog> events;
  std::unique_ptr<Engine> engine;
  Status recovered;
  std::vector<LiveTask> sampled;  // last samples that were asked for
  Status ledger;                  // what they end with
};

}  // namespace bulkhead::test
