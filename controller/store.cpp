#include "controller/store.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "controller/usage_math.h"

namespace bulkhead {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int64_t kSchema = 1;
constexpr char kCreate[] = R"(
CREATE TABLE nodes (
  id TEXT PRIMARY KEY, boot_id TEXT NOT NULL, agent_version TEXT NOT NULL, ledger_id TEXT NOT NULL,
  last_report INTEGER NOT NULL);
CREATE TABLE ledgers (
  node_id TEXT NOT NULL, ledger_id TEXT NOT NULL, committed INTEGER NOT NULL, PRIMARY KEY (node_id, ledger_id));
CREATE TABLE streams (
  node_id TEXT NOT NULL, ledger_id TEXT NOT NULL, boot_id TEXT NOT NULL, task_uid TEXT NOT NULL,
  cgroup_id INTEGER NOT NULL, tenant TEXT NOT NULL, task TEXT NOT NULL, sequence INTEGER NOT NULL,
  end_boot_ns INTEGER NOT NULL, final INTEGER NOT NULL, estimated INTEGER NOT NULL, usage BLOB NOT NULL,
  PRIMARY KEY (node_id, ledger_id, boot_id, task_uid, cgroup_id));
CREATE UNIQUE INDEX stream_sequences ON streams (node_id, ledger_id, sequence);
CREATE INDEX stream_tenants ON streams (tenant, node_id, boot_id, task_uid, cgroup_id, end_boot_ns);
)";

int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }

// Becomes a key and part of messages: 1 to 128 printable ASCII characters.
Status CheckText(const std::string& text, const std::string& field) {
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (text.empty() || text.size() > 128 || !printable)
    return InvalidArgument(field + ": must be 1 to 128 printable characters without spaces");
  return Ok();
}

Status CheckRecord(const v1::ReportHello& hello, const v1::UsageRecord& record) {
  if (record.node_id() != hello.node_id()) return InvalidArgument("node_id: is not the node that said hello");
  BULKHEAD_RETURN_IF_ERROR(CheckText(record.boot_id(), "boot_id"));
  BULKHEAD_RETURN_IF_ERROR(CheckText(record.tenant(), "tenant"));
  BULKHEAD_RETURN_IF_ERROR(CheckText(record.task(), "task"));
  BULKHEAD_RETURN_IF_ERROR(CheckText(record.task_uid(), "task_uid"));
  if (record.end_boot_ns() < record.start_boot_ns() || record.end_boot_ns() > INT64_MAX)
    return InvalidArgument("end_boot_ns: out of range, or before start_boot_ns");
  return Ok();
}

Result<v1::Usage> ParseUsage(const std::string& bytes) {
  v1::Usage usage;
  if (!usage.ParseFromString(bytes)) return MakeStatus(StatusCode::kDataLoss, "stored usage does not parse");
  return usage;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::Open(const std::string& path, const Clock& clock) {
  BULKHEAD_ASSIGN(std::unique_ptr<Database> database, Database::Open(path));
  BULKHEAD_ASSIGN(const int64_t version, database->SchemaVersion());
  if (version > kSchema)
    return MakeStatus(StatusCode::kDataLoss, fmt::format("{}: made by a newer controller (schema {})", path, version));
  if (version == 0) {
    BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database));
    BULKHEAD_RETURN_IF_ERROR(database->Execute(kCreate));
    BULKHEAD_RETURN_IF_ERROR(database->SetSchemaVersion(kSchema));
    BULKHEAD_RETURN_IF_ERROR(transaction.Commit());
  }
  return std::unique_ptr<Store>(new Store(std::move(database), clock));
}

Result<uint64_t> Store::Committed(const v1::ReportHello& hello) {
  BULKHEAD_ASSIGN(Statement select,
                  database_->Prepare("SELECT committed FROM ledgers WHERE node_id = ? AND ledger_id = ?"));
  BULKHEAD_ASSIGN(const bool found, select.Bind(1, hello.node_id()).Bind(2, hello.ledger_id()).Step());
  return found ? static_cast<uint64_t>(select.Int(0)) : 0;
}

Status Store::Seen(const v1::ReportHello& hello, uint64_t committed) {
  BULKHEAD_ASSIGN(Statement node, database_->Prepare("INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?)"));
  node.Bind(1, hello.node_id()).Bind(2, hello.boot_id()).Bind(3, hello.agent_version()).Bind(4, hello.ledger_id());
  BULKHEAD_RETURN_IF_ERROR(node.Bind(5, clock_.Wall().time_since_epoch().count()).Run());
  BULKHEAD_ASSIGN(Statement ledger, database_->Prepare("INSERT OR REPLACE INTO ledgers VALUES (?, ?, ?)"));
  return ledger.Bind(1, hello.node_id()).Bind(2, hello.ledger_id()).Bind(3, Signed(committed)).Run();
}

Result<uint64_t> Store::Hello(const v1::ReportHello& hello) {
  BULKHEAD_RETURN_IF_ERROR(CheckText(hello.node_id(), "hello.node_id"));
  BULKHEAD_RETURN_IF_ERROR(CheckText(hello.boot_id(), "hello.boot_id"));
  BULKHEAD_RETURN_IF_ERROR(CheckText(hello.agent_version(), "hello.agent_version"));
  BULKHEAD_RETURN_IF_ERROR(CheckText(hello.ledger_id(), "hello.ledger_id"));
  BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database_));
  BULKHEAD_ASSIGN(const uint64_t committed, Committed(hello));
  BULKHEAD_RETURN_IF_ERROR(Seen(hello, committed));
  BULKHEAD_RETURN_IF_ERROR(transaction.Commit());
  return committed;
}

Result<uint64_t> Store::Ingest(const v1::ReportHello& hello, const v1::ReportBatch& batch) {
  const auto refuse = [&](uint64_t sequence, const std::string& why) {
    return InvalidArgument(fmt::format("node {}, sequence {}: {}", hello.node_id(), sequence, why));
  };
  const uint64_t start = batch.first_sequence();
  if (batch.records().empty() || batch.records_size() > kMaxRecords)
    return refuse(start, fmt::format("a batch has 1 to {} records, not {}", kMaxRecords, batch.records_size()));
  BULKHEAD_ASSIGN(Transaction transaction, Transaction::Begin(*database_));
  BULKHEAD_ASSIGN(uint64_t committed, Committed(hello));
  if (start == 0) return refuse(start, "first_sequence counts from 1");
  if (start - 1 > committed) return refuse(start, fmt::format("there is a gap: {} is the last committed", committed));
  uint64_t previous = start - 1;
  for (const v1::UsageRecord& record : batch.records()) {
    if (record.sequence() <= previous || record.sequence() > INT64_MAX)
      return refuse(record.sequence(), fmt::format("comes after {}: sequences must rise", previous));
    previous = record.sequence();
    Status status = CheckRecord(hello, record);
    if (status.ok()) status = previous > committed ? Apply(hello, record) : CheckRepeated(hello, record);
    if (status.code() == StatusCode::kInvalidArgument) return refuse(previous, Message(status));
    BULKHEAD_RETURN_IF_ERROR(status);
  }
  committed = std::max(committed, previous);
  BULKHEAD_RETURN_IF_ERROR(Seen(hello, committed));
  BULKHEAD_RETURN_IF_ERROR(transaction.Commit());
  return committed;
}

Status Store::Apply(const v1::ReportHello& hello, const v1::UsageRecord& record) {
  BULKHEAD_ASSIGN(Statement select,
                  database_->Prepare("SELECT end_boot_ns, usage, tenant, task FROM streams WHERE node_id = ? AND "
                                     "ledger_id = ? AND boot_id = ? AND task_uid = ? AND cgroup_id = ?"));
  select.Bind(1, hello.node_id()).Bind(2, hello.ledger_id()).Bind(3, record.boot_id());
  BULKHEAD_ASSIGN(const bool known, select.Bind(4, record.task_uid()).Bind(5, Signed(record.cgroup_id())).Step());
  if (known) {
    BULKHEAD_ASSIGN(const v1::Usage before, ParseUsage(select.Text(1)));
    const std::string stream = fmt::format("stream of {}/{}", record.tenant(), record.task());
    if (const std::string down = WentDown(before, record.usage()); !down.empty())
      return InvalidArgument(fmt::format("{}: {}", stream, down));
    if (Signed(record.end_boot_ns()) < select.Int(0))
      return InvalidArgument(fmt::format("{}: end_boot_ns went back", stream));
    if (select.Text(2) != record.tenant() || select.Text(3) != record.task())
      return InvalidArgument(fmt::format("{}: was {}/{} before", stream, select.Text(2), select.Text(3)));
  }
  select.Reset();
  BULKHEAD_ASSIGN(Statement insert,
                  database_->Prepare("INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.Bind(1, hello.node_id()).Bind(2, hello.ledger_id()).Bind(3, record.boot_id()).Bind(4, record.task_uid());
  insert.Bind(5, Signed(record.cgroup_id())).Bind(6, record.tenant()).Bind(7, record.task());
  insert.Bind(8, Signed(record.sequence())).Bind(9, Signed(record.end_boot_ns()));
  insert.Bind(10, record.final()).Bind(11, record.estimated()).BindBlob(12, record.usage().SerializeAsString());
  return insert.Run();
}

// Only the newest record of each stream is still there to compare with.
Status Store::CheckRepeated(const v1::ReportHello& hello, const v1::UsageRecord& record) {
  BULKHEAD_ASSIGN(Statement select,
                  database_->Prepare("SELECT boot_id, task_uid, cgroup_id, usage FROM streams WHERE node_id = ? AND "
                                     "ledger_id = ? AND sequence = ?"));
  select.Bind(1, hello.node_id()).Bind(2, hello.ledger_id());
  BULKHEAD_ASSIGN(const bool known, select.Bind(3, Signed(record.sequence())).Step());
  if (!known) return Ok();
  BULKHEAD_ASSIGN(const v1::Usage applied, ParseUsage(select.Text(3)));
  const bool same_stream = select.Text(0) == record.boot_id() && select.Text(1) == record.task_uid() &&
                           select.Int(2) == Signed(record.cgroup_id());
  if (same_stream && SameUsage(applied, record.usage())) return Ok();
  return InvalidArgument("contradicts the record that was applied under this sequence");
}

Result<std::vector<v1::Node>> Store::Nodes(const std::string& after, int limit) {
  BULKHEAD_ASSIGN(Statement select,
                  database_->Prepare("SELECT n.id, n.boot_id, n.agent_version, l.committed, n.last_report FROM nodes n "
                                     "JOIN ledgers l ON l.node_id = n.id AND l.ledger_id = n.ledger_id WHERE n.id > ? "
                                     "ORDER BY n.id LIMIT ?"));
  select.Bind(1, after).Bind(2, limit);
  std::vector<v1::Node> nodes;
  while (true) {
    BULKHEAD_ASSIGN(const bool more, select.Step());
    if (!more) return nodes;
    v1::Node& node = nodes.emplace_back();
    node.set_id(select.Text(0));
    node.set_boot_id(select.Text(1));
    node.set_agent_version(select.Text(2));
    node.set_committed_sequence(static_cast<uint64_t>(select.Int(3)));
    *node.mutable_last_report() = TimeUtil::NanosecondsToTimestamp(select.Int(4));
  }
}

Result<std::vector<v1::TenantUsage>> Store::Usage(const std::string& tenant) {
  BULKHEAD_ASSIGN(Statement select,
                  database_->Prepare("SELECT tenant, node_id, boot_id, task_uid, cgroup_id, final, usage FROM streams "
                                     "WHERE ?1 = '' OR tenant = ?1 ORDER BY tenant, node_id, boot_id, task_uid, "
                                     "cgroup_id, end_boot_ns"));
  select.Bind(1, tenant);
  struct Stream {
    std::tuple<std::string, std::string, std::string, std::string, int64_t> key;
    v1::Usage usage;
    bool final = false;
  };
  std::vector<v1::TenantUsage> tenants;
  std::optional<Stream> stream;  // its ledgers, merged, until another stream begins
  const auto finish = [&] {
    if (!stream) return;
    const std::string& name = std::get<0>(stream->key);
    if (tenants.empty() || tenants.back().tenant() != name) tenants.emplace_back().set_tenant(name);
    AddCounters(*tenants.back().mutable_usage(), stream->usage);
    if (!stream->final) AddGauges(*tenants.back().mutable_usage(), stream->usage);
    tenants.back().set_streams(tenants.back().streams() + 1);
  };
  while (true) {
    BULKHEAD_ASSIGN(const bool more, select.Step());
    if (!more) break;
    Stream next{
        {select.Text(0), select.Text(1), select.Text(2), select.Text(3), select.Int(4)}, {}, select.Int(5) != 0};
    BULKHEAD_ASSIGN(next.usage, ParseUsage(select.Text(6)));
    if (stream && stream->key == next.key) {
      next.usage = Merge(stream->usage, next.usage);
    } else {
      finish();
    }
    stream = std::move(next);
  }
  finish();
  return tenants;
}

}  // namespace bulkhead
