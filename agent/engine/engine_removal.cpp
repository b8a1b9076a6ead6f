// Removals that could not end at once.
#include <fmt/format.h>

#include "agent/engine/engine.h"
#include "agent/engine/observe.h"

namespace bulkhead {

// What has begun to go, whether this agent began it or one that was killed in the middle. Nothing else may come before,
// or it would be made whole again.
Status Engine::FinishRemovals() {
  if (removing_.empty()) return Ok();
  std::vector<ObjectKey> removing;
  for (const auto& [key, reason] : removing_) removing.push_back(key);
  BULKHEAD_RETURN_IF_ERROR(Refresh({}, removing, desired_));
  const HostFacts host = FactsOf(parts_.tree, parts_.maps, disks_);
  Executor executor = MakeExecutor();
  Batch batch = Batch::Finishing(SpaceOf(host, executor), removing);
  batch.Run();
  Settle(batch.Settlement());
  Report(batch.Results());
  return Ok();
}

// One event when a removal begins to wait, and for each new reason; not one per tick.
void Engine::NoteRemoval(const ObjectResult& result) {
  const ObjectKey key{result.kind, result.name};
  if (!result.waits || result.outcome == Outcome::kPending) {
    removing_.erase(key);
    return;
  }
  std::string& known = removing_[key];
  if (known == Message(result.error)) return;
  known = Message(result.error);
  parts_.events.Add("degraded", result.name, fmt::format("{}: {}", result.kind, known));
}

// Those that wait have just been tried. What is on its way out does not come back half-way, nor does anything come into
// a tenant that goes; the rest of the batch has nothing to do with it.
Engine::HeldBack Engine::HoldBack(std::vector<ObjectSpec>& objects, std::vector<ObjectKey>& removals) const {
  HeldBack held;
  if (removing_.empty()) return held;
  for (const ObjectSpec& object : objects) held.order.push_back(KeyOf(object));
  held.order.insert(held.order.end(), removals.begin(), removals.end());
  std::erase_if(objects, [&](const ObjectSpec& object) {
    const ObjectKey key = KeyOf(object);
    for (const ObjectKey& going : {key, ObjectKey{"tenant", key.name.substr(0, key.name.find('/'))}}) {
      if (!removing_.contains(going)) continue;
      const Status why =
          Unavailable(fmt::format("{} {} is being removed: apply this again when it is gone", going.kind, going.name));
      held.results[key] = {key.kind, key.name, Outcome::kRefused, why, false, {}};
      return true;
    }
    return false;
  });
  std::erase_if(removals, [&](const ObjectKey& key) {
    const auto going = removing_.find(key);
    if (going == removing_.end()) return false;
    held.results[key] = {key.kind, key.name, Outcome::kRefused, Unavailable(going->second), true, {}};
    return true;
  });
  return held;
}

std::vector<ObjectResult> Engine::HeldBack::With(const std::vector<ObjectResult>& done) const {
  if (results.empty()) return done;
  std::vector<ObjectResult> all;
  auto next = done.begin();
  for (const ObjectKey& key : order) {
    const auto mine = results.find(key);
    all.push_back(mine == results.end() ? *next++ : mine->second);
  }
  return all;
}

}  // namespace bulkhead
