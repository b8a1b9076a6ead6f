// What nodes reported, in SQLite: per ledger how far it is committed, per stream the newest cumulative values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/sqlite.h"
#include "agent/base/status.h"
#include "bulkhead/v1/controller_service.pb.h"
#include "bulkhead/v1/fleet_service.pb.h"

namespace bulkhead {

// One thread at a time. The rules are those of ControllerService.Report.
class Store {
 public:
  static constexpr int kMaxRecords = 1000;

  // kDataLoss: the file is corrupt or of a newer schema; it is left as it is.
  static Result<std::unique_ptr<Store>> Open(const std::string& path, const Clock& clock);

  // A node says who it is. Returns the sequence up to which its ledger is committed. InvalidArgument: a field is
  // missing or not printable.
  Result<uint64_t> Hello(const v1::ReportHello& hello);
  // Applies a batch of the node that said hello, whole or not at all; committed when it returns. Returns the new
  // committed sequence. InvalidArgument names node and sequence; nothing is changed then.
  Result<uint64_t> Ingest(const v1::ReportHello& hello, const v1::ReportBatch& batch);

  // Ordered by id, those after `after`.
  Result<std::vector<v1::Node>> Nodes(const std::string& after, int limit);
  // Ordered by tenant; "" is all.
  Result<std::vector<v1::TenantUsage>> Usage(const std::string& tenant);

 private:
  Store(std::unique_ptr<Database> database, const Clock& clock) : database_(std::move(database)), clock_(clock) {}
  Result<uint64_t> Committed(const v1::ReportHello& hello);
  Status Apply(const v1::ReportHello& hello, const v1::UsageRecord& record);
  Status CheckRepeated(const v1::ReportHello& hello, const v1::UsageRecord& record);
  Status Seen(const v1::ReportHello& hello, uint64_t committed);

  std::unique_ptr<Database> database_;
  const Clock& clock_;
};

}  // namespace bulkhead
