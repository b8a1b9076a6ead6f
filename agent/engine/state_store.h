// Desired state on disk: what a restarted agent goes back to. SQLite, one transaction per change.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/sqlite.h"
#include "agent/base/status.h"
#include "agent/model/specs.h"

namespace bulkhead {

// Specs as bytes. The one schema is the proto, which engine does not know: rpc/ supplies these.
struct SpecCodec {
  std::function<std::string(const ObjectSpec&)> encode;
  std::function<Result<ObjectSpec>(const std::string&)> decode;
};

struct ObjectKey {
  std::string kind;  // "tenant", "task", "policy"
  std::string name;  // "acme", "acme/web"
  auto operator<=>(const ObjectKey&) const = default;
};
ObjectKey KeyOf(const ObjectSpec& spec);

struct StateChange {
  ObjectKey key;
  std::optional<ObjectSpec> spec;  // nullopt: the object is gone
  std::string task_uid;            // tasks only
  bool removing = false;           // its removal has begun: Recover finishes it
};

// Objects of the manifests folder: true, a document there names it; false, it did once, and the object is left over.
using ManifestObjects = std::map<ObjectKey, bool>;

class StateStore {
 public:
  struct Loaded {
    DesiredState desired;  // those being removed included
    std::map<TaskId, std::string> task_uids;
    std::vector<ObjectKey> removing;
    ManifestObjects manifests;
  };

  // kDataLoss: the file is corrupt, or of a schema newer than this agent; see OpenOrSetAside.
  static Result<std::unique_ptr<StateStore>> Open(const std::string& path, SpecCodec codec);
  // Corrupt state never blocks the start: the file is renamed to PATH.corrupt-<time> and a new one made. set_aside
  // names the renamed file, empty when all was well.
  static Result<std::unique_ptr<StateStore>> OpenOrSetAside(const std::string& path, SpecCodec codec,
                                                            std::string& set_aside);

  Result<Loaded> Load();  // kDataLoss: a row that cannot be read, or a task or policy without its tenant
  // All of the changes, durable, or none. PermissionDenied, ResourceExhausted: the directory is read-only or full.
  Status Commit(const std::vector<StateChange>& changes);
  Status SaveManifests(const ManifestObjects& objects);  // in place of those saved before; errors as Commit
  // The file that was corrupt when this one was opened; empty when all was well.
  const std::string& set_aside() const { return set_aside_; }

 private:
  StateStore(std::unique_ptr<Database> database, SpecCodec codec)
      : database_(std::move(database)), codec_(std::move(codec)) {}
  Status CommitTransaction(const std::vector<StateChange>& changes);
  Status SaveManifestsTransaction(const ManifestObjects& objects);
  Result<ManifestObjects> LoadManifests();

  std::unique_ptr<Database> database_;
  SpecCodec codec_;
  std::string set_aside_;
};

}  // namespace bulkhead
