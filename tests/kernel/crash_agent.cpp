#include "tests/kernel/crash_agent.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/base/log.h"
#include "agent/kernel/disks.h"
#include "agent/kernel/policy_entries.h"
#include "agent/kernel/process_mover.h"
#include "agent/rpc/convert.h"

namespace bulkhead::test {
namespace {

// What every cgroup should hold.
std::map<CgroupPath, Limits> LimitsOf(const CgroupTree& tree, const DesiredState& desired) {
  std::map<CgroupPath, Limits> limits;
  for (const auto& [id, tenant] : desired.tenants)
    limits[PathOf(id)] = tree.Effective(PathOf(id), tenant.limits.values, {});
  for (const auto& [id, task] : desired.tasks)
    limits[PathOf(id)] = tree.Effective(PathOf(id), task.limits.values, limits[PathOf(TenantId{id.tenant})]);
  return limits;
}

std::set<std::string> DirectoriesBelow(int dir_fd, const std::string& prefix, int depth) {
  std::set<std::string> all;
  const auto names = Subdirectories(dir_fd);
  if (!names.ok()) return {"? " + Message(names.status())};
  for (const std::string& name : *names) {
    all.insert(prefix + name);
    const UniqueFd child(::openat(dir_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (depth > 1) all.merge(DirectoriesBelow(child.get(), prefix + name + "/", depth - 1));
  }
  return all;
}

}  // namespace

std::vector<ObjectSpec> ObjectsOf(const DesiredState& desired) {
  std::vector<ObjectSpec> objects;
  for (const auto& [id, spec] : desired.tenants) objects.emplace_back(spec);
  for (const auto& [id, spec] : desired.tasks) objects.emplace_back(spec);
  for (const auto& [id, spec] : desired.policies) objects.emplace_back(spec);
  return objects;
}

DesiredState With(DesiredState desired, const std::vector<ObjectSpec>& put, const std::vector<ObjectKey>& remove) {
  for (const ObjectSpec& object : put) Assign(desired, KeyOf(object), object);
  for (const ObjectKey& key : remove) Assign(desired, key, std::nullopt);
  return desired;
}

std::unique_ptr<CrashAgent> CrashAgent::Open(CrashWorld& world, const Say& say) {
  (void)log::SetLevel("error");
  std::unique_ptr<CrashAgent> agent(new CrashAgent(world, say));
  const auto open = [&]() -> Status {
    BULKHEAD_ASSIGN(agent->tree_, LibcgroupTree::Create(world.scratch().root()));
    BULKHEAD_ASSIGN(agent->maps_, BpfPolicy::Create(agent->tree_->root_path(), world.bpffs()));
    const auto encode = [gate = &agent->gate_](const ObjectSpec& spec) {
      gate->KillPoint("save state");  // within the transaction
      return EncodeSpec(spec);
    };
    BULKHEAD_ASSIGN(agent->store_, StateStore::Open(world.state_path(), {encode, DecodeSpec}));
    return Ok();
  };
  if (const Status opened = open(); !opened.ok()) {
    agent->Require(opened, "start");
    return nullptr;
  }
  agent->gated_tree_ = std::make_unique<GatedTree>(*agent->tree_, agent->gate_);
  agent->gated_maps_ = std::make_unique<GatedMaps>(*agent->maps_, agent->gate_);
  agent->events_ = std::make_unique<EventLog>(agent->clock_, 1000);
  agent->engine_ =
      std::make_unique<Engine>(Engine::Parts{*agent->gated_tree_, *agent->gated_maps_, *agent->store_, agent->clock_,
                                             *agent->events_, [](const std::string& path) { return DiskUnder(path); }},
                               kBaseline, nullptr);
  return agent;
}

void CrashAgent::Require(const Status& status, const std::string& what) {
  if (!status.ok()) say_(what + ": " + Message(status));
}

void CrashAgent::Recover() {
  Require(engine_->Recover(), "recover");
  for (int tries = 0; tries < 500; ++tries) {
    const auto saved = store_->Load();
    if (!saved.ok()) return Require(saved.status(), "read the state");
    if (saved->removing.empty()) return;
    ::usleep(10'000);
    engine_->ContinueRemovals();
  }
  say_("removals do not end");
}

std::map<TaskId, CompiledPolicy::Hash> CrashAgent::HashesOf(const DesiredState& desired) {
  PolicyCache cache(kBaseline);
  std::map<TaskId, CompiledPolicy::Hash> hashes;
  for (const auto& [id, task] : desired.tasks) {
    const auto policy = cache.Get(desired, task);
    Require(policy.status(), "compile policy of " + id.ToString());
    if (policy.ok()) hashes[id] = policy->hash;
  }
  return hashes;
}

void CrashAgent::CheckTorn(const DesiredState& before, const DesiredState& after) {
  const auto have = Observe();
  if (!have.ok()) return Require(have.status(), "look at the kernel");
  const auto old_limits = LimitsOf(*tree_, before), new_limits = LimitsOf(*tree_, after);
  for (const auto& [path, cgroup] : have->cgroups()) {
    const auto was = old_limits.find(path), will = new_limits.find(path);
    if (was == old_limits.end() && will == new_limits.end()) say_("torn: unknown cgroup " + path.value);
    for (const LimitKind kind : kAllLimits) {
      const auto held = cgroup.limits.Get(kind);
      const auto is = [&](const Limits& wanted) { return wanted.Get(kind) == held; };
      const bool old_or_new =
          is(was == old_limits.end() ? Limits{} : was->second) || (will != new_limits.end() && is(will->second));
      if (!old_or_new) say_(fmt::format("torn: {} {} is neither old nor new", path.value, LimitName(kind)));
    }
  }
  const auto old_hashes = HashesOf(before), new_hashes = HashesOf(after);
  for (const auto& [id, hash] : old_hashes) {
    if (!new_hashes.contains(id)) continue;
    const ObservedCgroup* cgroup = have->Cgroup(PathOf(id));
    const TaskBinding* binding = cgroup ? have->Binding(cgroup->id) : nullptr;
    if (!binding) {
      say_("torn: " + id.ToString() + " is bound to no policy");
      continue;
    }
    const auto policy = have->policies().find(binding->policy_id);
    if (policy == have->policies().end() || (policy->second != hash && policy->second != new_hashes.at(id)))
      say_("torn: " + id.ToString() + " is judged by a policy that is neither old nor new");
  }
}

void CrashAgent::CheckRecovered(const std::vector<DesiredState>& possible) {
  if (std::find(possible.begin(), possible.end(), engine_->desired()) == possible.end())
    say_("desired state is none that was asked for");
  CheckSettled();
}

void CrashAgent::CheckSettled() {
  CheckCgroups();
  CheckTables();
  CheckEmptyPlan();
}

// In every hierarchy: the tenants and tasks that are desired, and no other directory.
void CrashAgent::CheckCgroups() {
  std::set<std::string> wanted;
  for (const auto& [path, limits] : LimitsOf(*tree_, engine_->desired())) wanted.insert(path.value);
  for (const CgroupHierarchy& hierarchy : tree_->mounts().all()) {
    const UniqueFd root(::openat(hierarchy.top.get(), tree_->Relative({}).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::set<std::string> found = DirectoriesBelow(root.get(), "", 3);
    if (found != wanted)
      say_(fmt::format("{}: cgroups {} instead of {}", hierarchy.mount_point, fmt::join(found, " "),
                       fmt::join(wanted, " ")));
  }
}

// One binding per task, each policy installed once and whole, addresses where they belong, no entry beyond.
void CrashAgent::CheckTables() {
  const auto have = Observe();
  if (!have.ok()) return Require(have.status(), "look at the kernel");
  std::map<CompiledPolicy::Hash, HashedPolicy> needed;
  std::map<IpAddress, uint64_t> addresses;
  std::set<uint32_t> bound;
  PolicyCache cache(kBaseline);
  for (const auto& [id, task] : engine_->desired().tasks) {
    const ObservedCgroup* cgroup = have->Cgroup(PathOf(id));
    const TaskBinding* binding = cgroup ? have->Binding(cgroup->id) : nullptr;
    if (binding) bound.insert(binding->policy_id);
    for (const IpAddress& address : task.addresses) addresses[address] = cgroup ? cgroup->id : 0;
    const auto policy = cache.Get(engine_->desired(), task);
    if (policy.ok()) needed[policy->hash] = *policy;
  }
  if (have->bindings().size() != engine_->desired().tasks.size())
    say_(fmt::format("{} bindings for {} tasks", have->bindings().size(), engine_->desired().tasks.size()));
  if (have->addresses() != addresses) say_("addresses are not the desired ones");
  std::set<uint32_t> installed;
  for (const auto& [policy_id, hash] : have->policies()) installed.insert(policy_id);
  if (installed != bound)
    say_(fmt::format("policies {} are installed, {} are used", fmt::join(installed, " "), fmt::join(bound, " ")));
  std::map<std::string, uint64_t> use = {{"tasks", engine_->desired().tasks.size()},
                                         {"policies", needed.size()},
                                         {"prefixes", 0},
                                         {"prefixes_lpm", 0},
                                         {"classes", 0},
                                         {"addresses", addresses.size()}};
  for (const auto& [hash, policy] : needed) {
    const auto entries = EncodePolicy(1, *policy.policy);
    if (!entries.ok()) return Require(entries.status(), "encode policy");
    use["prefixes"] += entries->prefixes.size();
    use["prefixes_lpm"] += entries->lpm_prefixes.size();
    use["classes"] += entries->class_keys.size();
  }
  for (const MapUse& map : maps_->Use())
    if (map.used != use[map.map]) say_(fmt::format("map {}: {} entries, {} needed", map.map, map.used, use[map.map]));
}

void CrashAgent::CheckEmptyPlan() {
  const std::vector<ObjectSpec> objects = ObjectsOf(engine_->desired());
  for (const bool validate_only : {true, false}) {
    const auto results = engine_->Apply(objects, {.validate_only = validate_only, .prune = true});
    if (!results.ok()) return Require(results.status(), "apply again");
    for (const ObjectResult& result : *results)
      if (result.outcome != Outcome::kUnchanged || !result.steps.empty())
        say_(fmt::format("{} {} is not settled: {} {}", result.kind, result.name, fmt::join(result.steps, "; "),
                         Message(result.error)));
  }
  const auto check = [&](const std::string& what, const ObjectState& state) {
    if (state.enforcement != Enforcement::kEnforced)
      say_(fmt::format("{} is not enforced: {}", what, fmt::join(state.reasons, "; ")));
  };
  for (const auto& [id, tenant] : engine_->desired().tenants) check(id.name, engine_->StateOf(id));
  for (const auto& [id, task] : engine_->desired().tasks) check(id.ToString(), engine_->StateOf(id));
  check("node", engine_->NodeState());
}

void CrashAgent::Restore(const DesiredState& state, const std::vector<CrashWorld::Placed>& placed) {
  const auto results = engine_->Apply(ObjectsOf(state), {.prune = true});
  Require(results.status(), "restore");
  if (results.ok())
    for (const ObjectResult& result : *results) Require(result.error, "restore " + result.name);
  for (const CrashWorld::Placed& member : placed) {
    const auto task = ParseTaskId(member.task);
    const auto outcomes = engine_->Attach(*task, {member.pid});
    Require(outcomes.status(), "attach to " + member.task);
    if (outcomes.ok()) Require(outcomes->front().error, "attach to " + member.task);
  }
  CheckSettled();
}

void CrashAgent::CheckCounters() {
  for (const LiveTask& live : engine_->LiveTasks()) {
    const auto counters = maps_->ReadCounters(live.slot);
    if (!counters.ok()) return Require(counters.status(), "read counters");
    const std::string name = live.id.ToString();
    for (size_t direction = 0; direction < 2; ++direction) {
      if (counters->passed[direction][static_cast<size_t>(Scope::kOtherTenant)].packets != 0)
        say_(name + ": packets passed between tenants");
      for (size_t reason = 0; reason < kDropReasons; ++reason)
        if ((name == "acme/web" || name == "acme/app") && counters->dropped[direction][reason] != 0)
          say_(fmt::format("{}: {} packets of allowed flows dropped: {}", name, counters->dropped[direction][reason],
                           DropReasonName(static_cast<DropReason>(reason))));
    }
  }
}

std::string Begin(CrashWorld& world, const DesiredState& state) {
  world.StartTraffic();
  world.AddSleeper("acme/job");
  world.AddSleeper("beta/run");
  const auto ended = world.RunAgent([&](const CrashWorld::Say& say) {
    const auto agent = CrashAgent::Open(world, say);
    if (!agent) return;
    agent->Recover();
    agent->Restore(state, world.placed());
  });
  if (ended.code != 0 || !ended.said.empty()) return fmt::format("exit code {}\n{}", ended.code, ended.said);
  const Status going = world.Go();
  return going.ok() ? "" : Message(going);
}

}  // namespace bulkhead::test
