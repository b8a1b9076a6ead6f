// Desired state on disk: what a restarted agent goes back to. SQLite, one transaction per change.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/base/sqlite.h"
#include "agent/base/status.h"
#include "agent/model/specs.h"

namespace bulkhead {

// Specs as bytes. The one schema is the proto, which engine does not know: rpc/ supplies these.
struct SpecCodec {
  std::function<std::string(const ObjectSpec&)> encode;
  std::function<Result<ObjectSpec>(const std::string&)> decode;
};

class StateStore {
 public:
  struct Loaded {
    DesiredState desired;
    std::map<TaskId, std::string> task_uids;
  };

  // kDataLoss: the file is corrupt, or of a schema newer than this agent; see OpenOrSetAside.
  static Result<std::unique_ptr<StateStore>> Open(const std::string& path, SpecCodec codec);
  // Corrupt state never blocks the start: the file is renamed to PATH.corrupt-<time> and a new one made. set_aside
  // names the renamed file, empty when all was well.
  static Result<std::unique_ptr<StateStore>> OpenOrSetAside(const std::string& path, SpecCodec codec,
                                                            std::string& set_aside);

  Result<Loaded> Load();
  // Replaces or removes objects in one transaction. task_uid only for tasks.
  Status Put(const ObjectSpec& spec, const std::string& task_uid);
  Status Remove(const std::string& kind, const std::string& name);

 private:
  StateStore(std::unique_ptr<Database> database, SpecCodec codec)
      : database_(std::move(database)), codec_(std::move(codec)) {}
  std::unique_ptr<Database> database_;
  SpecCodec codec_;
};

}  // namespace bulkhead
