// The little of SQLite that the state store, the ledger and the controller share: open durable, prepare, bind, step.
// One thread per Database.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace bulkhead {

class Statement;

// Renames a database that cannot be used, with its WAL, to PATH.corrupt-<seconds since 1970>; returns that name. The
// database must be closed.
Result<std::string> SetDatabaseAside(const std::string& path);

class Database {
 public:
  // WAL, synchronous=FULL: a committed transaction survives power loss. Creates the file (0600) when missing.
  // Corruption (NOTADB, CORRUPT, failed quick_check) is kDataLoss; anything else keeps the cause.
  static Result<std::unique_ptr<Database>> Open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Status Execute(const std::string& sql);  // one or more statements without results
  Result<Statement> Prepare(const std::string& sql);

  // PRAGMA user_version: the schema's version, 0 in a new file.
  Result<int64_t> SchemaVersion();
  Status SetSchemaVersion(int64_t version);

 private:
  Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  sqlite3* handle_;
  std::string path_;
};

// Binds positionally from 1; Step() returns true while there is a row, then the statement may be Reset and bound again.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& Bind(int index, int64_t value);
  Statement& Bind(int index, const std::string& value);  // text
  Statement& BindBlob(int index, const std::string& value);
  Statement& BindNull(int index);
  Result<bool> Step();
  Status Run();  // steps to the end, then resets
  void Reset();
  int64_t Int(int column) const;
  std::string Text(int column) const;  // also for blobs
  bool IsNull(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  sqlite3_stmt* statement_;
};

// BEGIN IMMEDIATE … COMMIT; rolls back when destroyed before Commit.
class Transaction {
 public:
  static Result<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status Commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace bulkhead
