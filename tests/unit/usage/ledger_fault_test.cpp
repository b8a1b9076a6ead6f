// What the disk can do to the ledger: garbage, truncation, no room, no permission.
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "agent/usage/ledger.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/usage/records.h"

namespace bulkhead {
namespace {

using test::AppendOne;
using test::IsOk;
using test::kPlenty;
using test::Record;
using test::StatusIs;
using ::testing::_;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LedgerFaultTest : public ::testing::Test {
 protected:
  LedgerFaultTest() : path_(dir_ / "ledger.db") {}
  std::string MakeLedger() {
    auto ledger = Ledger::Open(path_, "boot-1", kPlenty);
    for (int second = 0; second < 500; ++second)
      EXPECT_THAT(AppendOne(**ledger, Record("web", second, static_cast<uint64_t>(second))), IsOk());
    return (*ledger)->id();
  }
  // A corrupt ledger is moved away, unchanged in size, and another one works in its place.
  void ExpectSetAside(const std::string& old_id) {
    const auto size = std::filesystem::file_size(path_);
    EXPECT_THAT(Ledger::Open(path_, "boot-1", kPlenty), StatusIs(StatusCode::kDataLoss, HasSubstr(path_)));
    std::string set_aside;
    auto ledger = Ledger::OpenOrSetAside(path_, "boot-1", kPlenty, set_aside);
    ASSERT_THAT(ledger, IsOk());
    EXPECT_THAT(set_aside, HasSubstr(path_ + ".corrupt-"));
    EXPECT_EQ(std::filesystem::file_size(set_aside), size);
    EXPECT_NE((*ledger)->id(), old_id);
    EXPECT_EQ((*ledger)->last_sequence(), 0u);
    EXPECT_THAT(AppendOne(**ledger, Record("web", 500, 500)), IsOk());
  }
  test::TempDir dir_;
  std::string path_;
};

TEST_F(LedgerFaultTest, AHealthyLedgerIsNotSetAside) {
  const std::string id = MakeLedger();
  std::string set_aside = "unset";
  auto ledger = Ledger::OpenOrSetAside(path_, "boot-1", kPlenty, set_aside);
  ASSERT_THAT(ledger, IsOk());
  EXPECT_THAT(set_aside, IsEmpty());
  EXPECT_EQ((*ledger)->id(), id);
}

TEST_F(LedgerFaultTest, GarbageIsSetAside) {
  std::ofstream(path_) << std::string(20'000, 'x');
  ExpectSetAside("");
}

TEST_F(LedgerFaultTest, ATornFileIsSetAside) {
  const std::string id = MakeLedger();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  ExpectSetAside(id);
}

TEST_F(LedgerFaultTest, OverwrittenPagesAreSetAside) {
  const std::string id = MakeLedger();
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8192);
    file << std::string(8192, '\xff');
  }
  ExpectSetAside(id);
}

TEST_F(LedgerFaultTest, ARecordThatDoesNotDecodeIsSetAside) {
  const std::string id = MakeLedger();
  ASSERT_THAT((*Database::Open(path_))->Execute("UPDATE records SET counters = x'0102' WHERE sequence = 100"), IsOk());
  ExpectSetAside(id);
}

TEST_F(LedgerFaultTest, ALedgerOfANewerAgentIsSetAside) {
  const std::string id = MakeLedger();
  ASSERT_THAT((*Database::Open(path_))->SetSchemaVersion(99), IsOk());
  ExpectSetAside(id);
}

TEST_F(LedgerFaultTest, AMissingDirectoryIsAnErrorAndNothingIsSetAside) {
  std::string set_aside;
  EXPECT_THAT(Ledger::OpenOrSetAside(dir_ / "none/ledger.db", "boot-1", kPlenty, set_aside),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("none/ledger.db")));
  EXPECT_THAT(set_aside, IsEmpty());
}

// In a mount namespace of this process alone, so that nothing is left over.
TEST_F(LedgerFaultTest, AFullDiskStoresNothingOfABatchAndUsesNoNumber) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small file system";
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << errno;
  ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << errno;
  ASSERT_EQ(::mount("bh-usage", dir_.path().c_str(), "tmpfs", 0, "size=512k"), 0) << errno;
  {
    auto ledger = Ledger::Open(path_, "boot-1", kPlenty);
    ASSERT_THAT(ledger, IsOk());
    Status status;
    uint64_t appended = 0;
    int second = 0;
    while (status.ok() && second < 10'000) {
      std::vector<UsageRecord> batch;
      for (int i = 0; i < 50; ++i, ++second) batch.push_back(Record("web", second, static_cast<uint64_t>(second)));
      status = (*ledger)->Append(batch);
      if (status.ok()) appended += batch.size();
    }
    EXPECT_THAT(status, StatusIs(StatusCode::kResourceExhausted, _));
    EXPECT_GT(appended, 0u);
    EXPECT_EQ((*ledger)->last_sequence(), appended);
    EXPECT_EQ((*ledger)->ReadAfter(0, 100'000).value().size(), appended);

    ASSERT_EQ(::mount("bh-usage", dir_.path().c_str(), "tmpfs", MS_REMOUNT, "size=4m"), 0) << errno;
    EXPECT_THAT(AppendOne(**ledger, Record("web", second, static_cast<uint64_t>(second))), IsOk());
    EXPECT_EQ((*ledger)->last_sequence(), appended + 1);
  }
  EXPECT_EQ(::umount(dir_.path().c_str()), 0);
}

}  // namespace
}  // namespace bulkhead
