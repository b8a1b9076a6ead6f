// Which objects the manifests folder named, so that those whose documents are gone can be told. They stay: a file that
// is moved, or replaced by something that is not done yet, must not kill processes.
#include <fmt/format.h>

#include "agent/base/log.h"
#include "agent/engine/engine.h"

namespace bulkhead {

void Engine::NoteManifests(const std::vector<ObjectResult>& results, bool manifests) {
  ManifestObjects now = manifests_;
  if (manifests)
    for (auto& [key, named] : now) named = false;
  for (const ObjectResult& result : results) {
    const ObjectKey key{result.kind, result.name};
    const auto known = now.find(key);
    if (manifests)
      now[key] = true;
    else if (known != now.end() && (!known->second || result.outcome == Outcome::kDeleted) &&
             result.outcome != Outcome::kRefused)
      now.erase(known);  // a client has taken it over, or it is gone
  }
  std::erase_if(now, [&](const auto& entry) { return !entry.second && !Find(desired_, entry.first); });
  if (now == manifests_) return;
  for (const auto& [key, named] : now)
    if (!named && manifests_.at(key))
      parts_.events.Add(
          "left_over", key.name,
          fmt::format("{}: no file of the manifests folder names it any more: it stays; bulkheadctl delete "
                      "{} {} removes it",
                      key.kind, key.kind, key.name));
  manifests_ = std::move(now);
  if (const Status saved = parts_.store.SaveManifests(manifests_); !saved.ok())
    log::Warning("after a restart, objects left over from manifests may not be told", {{"why", saved}});
}

std::vector<ObjectKey> Engine::LeftOver() const {
  std::vector<ObjectKey> keys;
  for (const auto& [key, named] : manifests_)
    if (!named && Find(desired_, key)) keys.push_back(key);
  return keys;
}

}  // namespace bulkhead
