#include "agent/base/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>

namespace bulkhead {
namespace {

// Nobody else writes to these files but a person with a shell. The core thread waits no longer: what is not stored now
// comes again with the next sample or tick.
constexpr int kBusyTimeoutMs = 100;

Status Failure(sqlite3* handle, const std::string& what) {
  const std::string message = fmt::format("{}: {}", what, handle ? sqlite3_errmsg(handle) : "out of memory");
  switch (handle ? sqlite3_errcode(handle) : SQLITE_NOMEM) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return MakeStatus(StatusCode::kDataLoss, message);
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return ResourceExhausted(message);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return PermissionDenied(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Unavailable(message);
    default:
      return MakeStatus(StatusCode::kFailedPrecondition, message);
  }
}

}  // namespace

Result<std::string> SetDatabaseAside(const std::string& path) {
  std::string target = fmt::format("{}.corrupt-{}", path, ::time(nullptr));
  for (int again = 1; ::access(target.c_str(), F_OK) == 0; ++again)
    target = fmt::format("{}.corrupt-{}-{}", path, ::time(nullptr), again);
  // The log first: a new database must never meet the old one's log.
  for (const char* suffix : {"-wal", "-shm", ""}) {
    const std::string from = path + suffix;
    if (::rename(from.c_str(), (target + suffix).c_str()) != 0 && errno != ENOENT)
      return Errno(errno, fmt::format("rename {} to {}", from, target));
  }
  return target;
}

Result<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const mode_t old_mask = ::umask(0077);
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::unique_ptr<Database> database(new Database(handle, path));
  Status status = code == SQLITE_OK ? Ok() : Failure(handle, fmt::format("open {}", path));
  if (status.ok()) {
    (void)sqlite3_busy_timeout(handle, kBusyTimeoutMs);  // fails only on a closed handle
    status = database->Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON");
  }
  ::umask(old_mask);
  BULKHEAD_RETURN_IF_ERROR(status);
  BULKHEAD_ASSIGN(Statement check, database->Prepare("PRAGMA quick_check(1)"));
  BULKHEAD_ASSIGN(const bool row, check.Step());
  if (!row || check.Text(0) != "ok")
    return MakeStatus(StatusCode::kDataLoss, fmt::format("open {}: integrity check failed", path));
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Status Database::Execute(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return Failure(handle_, path_);
  return Ok();
}

Result<Statement> Database::Prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
    return Failure(handle_, fmt::format("{}: {}", path_, sql));
  return Statement(statement);
}

Result<int64_t> Database::SchemaVersion() {
  BULKHEAD_ASSIGN(Statement statement, Prepare("PRAGMA user_version"));
  BULKHEAD_ASSIGN(const bool row, statement.Step());
  return row ? statement.Int(0) : 0;
}

Status Database::SetSchemaVersion(int64_t version) { return Execute(fmt::format("PRAGMA user_version={}", version)); }

Statement::Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  return *this;
}
Statement::~Statement() { sqlite3_finalize(statement_); }

// A bind fails only for an index that the SQL does not have; the Step that follows then reports the NULL it left.
Statement& Statement::Bind(int index, int64_t value) {
  (void)sqlite3_bind_int64(statement_, index, value);
  return *this;
}
Statement& Statement::Bind(int index, const std::string& value) {
  (void)sqlite3_bind_text64(statement_, index, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}
Statement& Statement::BindBlob(int index, const std::string& value) {
  (void)sqlite3_bind_blob64(statement_, index, value.data(), value.size(), SQLITE_TRANSIENT);
  return *this;
}
Statement& Statement::BindNull(int index) {
  (void)sqlite3_bind_null(statement_, index);
  return *this;
}

Result<bool> Statement::Step() {
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      return false;
    default:
      return Failure(sqlite3_db_handle(statement_), sqlite3_sql(statement_));
  }
}

Status Statement::Run() {
  Result<bool> more = true;
  while (more.ok() && *more) more = Step();
  Reset();
  return more.status();
}

void Statement::Reset() {
  (void)sqlite3_reset(statement_);  // repeats the error that Step already returned
  (void)sqlite3_clear_bindings(statement_);
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }
bool Statement::IsNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
std::string Statement::Text(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return data ? std::string(data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))) : std::string();
}

Result<Transaction> Transaction::Begin(Database& database) {
  BULKHEAD_RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_) (void)database_->Execute("ROLLBACK");  // SQLite may have rolled back by itself already
}

Status Transaction::Commit() {
  BULKHEAD_RETURN_IF_ERROR(database_->Execute("COMMIT"));
  database_ = nullptr;
  return Ok();
}

}  // namespace bulkhead
