#include "agent/engine/state_store.h"

#include <fmt/format.h>

#include "agent/base/overload.h"

namespace bulkhead {
namespace {

constexpr int64_t kSchema = 1;

Status Lost(const std::string& message) { return MakeStatus(StatusCode::kDataLoss, message); }

void AddTo(DesiredState& desired, const ObjectSpec& spec) {
  std::visit(Overload{[&](const TenantSpec& s) { desired.tenants[s.id] = s; },
                      [&](const TaskSpec& s) { desired.tasks[s.id] = s; },
                      [&](const PolicySpec& s) { desired.policies[s.id] = s; }},
             spec);
}

Status CheckTenants(const DesiredState& desired) {
  const auto check = [&](const std::string& tenant, const std::string& what) {
    return desired.tenants.contains({tenant}) ? Ok() : Lost(fmt::format("state: {} has no tenant", what));
  };
  for (const auto& [id, task] : desired.tasks) BULKHEAD_RETURN_IF_ERROR(check(id.tenant, "task " + id.ToString()));
  for (const auto& [id, policy] : desired.policies)
    BULKHEAD_RETURN_IF_ERROR(check(id.tenant, "policy " + id.ToString()));
  return Ok();
}

}  // namespace

ObjectKey KeyOf(const ObjectSpec& spec) {
  return std::visit(Overload{[](const TenantSpec& s) {
                               return ObjectKey{"tenant", s.id.name};
                             },
                             [](const TaskSpec& s) {
                               return ObjectKey{"task", s.id.ToString()};
                             },
                             [](const PolicySpec& s) {
                               return ObjectKey{"policy", s.id.ToString()};
                             }},
                    spec);
}

Result<std::unique_ptr<StateStore>> StateStore::Open(const std::string& path, SpecCodec codec) {
  BULKHEAD_ASSIGN(std::unique_ptr<Database> database, Database::Open(path));
  BULKHEAD_ASSIGN(const int64_t schema, database->SchemaVersion());
  if (schema > kSchema) return Lost(fmt::format("{}: schema {} is newer than this agent's {}", path, schema, kSchema));
  if (schema == 0) {
    BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database));
    BULKHEAD_RETURN_IF_ERROR(
        database->Execute("CREATE TABLE objects (kind TEXT NOT NULL, name TEXT NOT NULL, spec BLOB NOT NULL,"
                          " uid TEXT NOT NULL, removing INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID"));
    BULKHEAD_RETURN_IF_ERROR(database->SetSchemaVersion(kSchema));
    BULKHEAD_RETURN_IF_ERROR(transaction.Commit());
  }
  // Came later; what knows it not does without it.
  BULKHEAD_RETURN_IF_ERROR(
      database->Execute("CREATE TABLE IF NOT EXISTS manifests (kind TEXT NOT NULL, name TEXT NOT NULL,"
                        " named INTEGER NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID"));
  return std::unique_ptr<StateStore>(new StateStore(std::move(database), std::move(codec)));
}

Result<std::unique_ptr<StateStore>> StateStore::OpenOrSetAside(const std::string& path, SpecCodec codec,
                                                               std::string& set_aside) {
  set_aside.clear();
  Status status = Ok();
  {
    auto store = Open(path, codec);
    status = store.status();
    if (status.ok()) status = (*store)->Load().status();
    if (status.ok() || status.code() != StatusCode::kDataLoss) {
      if (!status.ok()) return status;
      return store;
    }
  }
  BULKHEAD_ASSIGN(set_aside, SetDatabaseAside(path));
  BULKHEAD_ASSIGN(std::unique_ptr<StateStore> fresh, Open(path, std::move(codec)));
  fresh->set_aside_ = set_aside;
  return fresh;
}

Result<StateStore::Loaded> StateStore::Load() {
  Loaded loaded;
  BULKHEAD_ASSIGN(Statement rows, database_->Prepare("SELECT kind, name, spec, uid, removing FROM objects"));
  while (true) {
    BULKHEAD_ASSIGN(const bool row, rows.Step());
    if (!row) break;
    const ObjectKey key{rows.Text(0), rows.Text(1)};
    auto spec = codec_.decode(rows.Text(2));
    if (!spec.ok()) return Lost(fmt::format("state: {} {}: {}", key.kind, key.name, Message(spec.status())));
    if (KeyOf(*spec) != key) return Lost(fmt::format("state: {} {}: holds another object", key.kind, key.name));
    AddTo(loaded.desired, *spec);
    if (const auto* task = std::get_if<TaskSpec>(&*spec)) loaded.task_uids[task->id] = rows.Text(3);
    if (rows.Int(4) != 0) loaded.removing.push_back(key);
  }
  BULKHEAD_RETURN_IF_ERROR(CheckTenants(loaded.desired));
  BULKHEAD_ASSIGN(loaded.manifests, LoadManifests());
  return loaded;
}

Result<ManifestObjects> StateStore::LoadManifests() {
  ManifestObjects objects;
  BULKHEAD_ASSIGN(Statement rows, database_->Prepare("SELECT kind, name, named FROM manifests"));
  while (true) {
    BULKHEAD_ASSIGN(const bool row, rows.Step());
    if (!row) return objects;
    objects[{rows.Text(0), rows.Text(1)}] = rows.Int(2) != 0;
  }
}

Status StateStore::SaveManifests(const ManifestObjects& objects) {
  return Annotate(SaveManifestsTransaction(objects), "save which objects manifests name");
}

Status StateStore::SaveManifestsTransaction(const ManifestObjects& objects) {
  BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database_));
  BULKHEAD_RETURN_IF_ERROR(database_->Execute("DELETE FROM manifests"));
  BULKHEAD_ASSIGN(Statement put, database_->Prepare("INSERT INTO manifests VALUES (?, ?, ?)"));
  for (const auto& [key, named] : objects)
    BULKHEAD_RETURN_IF_ERROR(put.Bind(1, key.kind).Bind(2, key.name).Bind(3, int64_t{named}).Run());
  return transaction.Commit();
}

Status StateStore::Commit(const std::vector<StateChange>& changes) {
  if (changes.empty()) return Ok();
  return Annotate(CommitTransaction(changes), "save state");
}

Status StateStore::CommitTransaction(const std::vector<StateChange>& changes) {
  BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database_));
  BULKHEAD_ASSIGN(Statement put, database_->Prepare("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)"));
  BULKHEAD_ASSIGN(Statement remove, database_->Prepare("DELETE FROM objects WHERE kind = ? AND name = ?"));
  for (const StateChange& change : changes) {
    if (!change.spec) {
      BULKHEAD_RETURN_IF_ERROR(remove.Bind(1, change.key.kind).Bind(2, change.key.name).Run());
      continue;
    }
    put.Bind(1, change.key.kind).Bind(2, change.key.name).BindBlob(3, codec_.encode(*change.spec));
    BULKHEAD_RETURN_IF_ERROR(put.Bind(4, change.task_uid).Bind(5, int64_t{change.removing}).Run());
  }
  return transaction.Commit();
}

}  // namespace bulkhead
