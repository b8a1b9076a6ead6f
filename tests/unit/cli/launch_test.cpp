#include "agent/cli/launch.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

namespace bulkhead::cli {
namespace {

class LaunchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "bh-launch-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    ASSERT_EQ(::sigprocmask(SIG_SETMASK, nullptr, &mask_), 0);
  }
  void TearDown() override {
    (void)::sigprocmask(SIG_SETMASK, &mask_, nullptr);
    std::filesystem::remove_all(folder_);
  }
  int Exit(const std::vector<std::string>& command, const std::optional<User>& user = std::nullopt) {
    auto launch = Launch::Prepare(command, user);
    EXPECT_TRUE(launch.ok()) << launch.status().ToString();
    EXPECT_TRUE(launch->Go().ok());
    const auto code = launch->Wait();
    EXPECT_TRUE(code.ok()) << code.status().ToString();
    return code.ok() ? *code : -1;
  }
  std::string folder_;
  sigset_t mask_{};
};

TEST_F(LaunchTest, PassesOnTheExitCode) {
  EXPECT_EQ(Exit({"true"}), 0);
  EXPECT_EQ(Exit({"sh", "-c", "exit 42"}), 42);
  EXPECT_EQ(Exit({"sh", "-c", "kill -KILL $$"}), 128 + SIGKILL);
}

TEST_F(LaunchTest, SaysWhyACommandCannotRun) {
  EXPECT_EQ(Exit({"/no/such/command"}), 127);
  EXPECT_EQ(Exit({folder_}), 126);
}

TEST_F(LaunchTest, NothingRunsBeforeGoNorWithoutIt) {
  const std::string mark = folder_ + "/ran";
  {
    auto launch = Launch::Prepare({"touch", mark}, std::nullopt);
    ASSERT_TRUE(launch.ok());
    EXPECT_EQ(::kill(launch->pid(), 0), 0) << "it is there";
  }
  EXPECT_FALSE(std::filesystem::exists(mark));
  EXPECT_EQ(Exit({"touch", mark}), 0);
  EXPECT_TRUE(std::filesystem::exists(mark));
}

TEST_F(LaunchTest, InheritedDescriptorsAreClosedAndSignalsAsTheCallerHadThem) {
  const int leaked = ::dup(0);
  ASSERT_GT(leaked, 2);
  EXPECT_EQ(Exit({"sh", "-c", "test ! -e /proc/$$/fd/" + std::to_string(leaked)}), 0);
  ::close(leaked);
  EXPECT_EQ(Exit({"sh", "-c", "grep -qE '^SigBlk:.0+$' /proc/self/status"}), 0);
}

TEST_F(LaunchTest, SignalsArePassedOn) {
  auto launch =
      Launch::Prepare({"sh", "-c", "trap 'kill $!; exit 7' TERM; sleep 60 & kill -TERM $PPID; wait"}, std::nullopt);
  ASSERT_TRUE(launch.ok());
  ASSERT_TRUE(launch->Go().ok());
  const auto code = launch->Wait();
  ASSERT_TRUE(code.ok());
  EXPECT_EQ(*code, 7);
}

TEST_F(LaunchTest, TheCommandRunsAsTheUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const auto user = FindUser("nobody");
  ASSERT_TRUE(user.ok());
  EXPECT_EQ(Exit({"sh", "-c", "test $(id -u) = 65534 && test \"$(id -G)\" = 65534"}, *user), 0);
  EXPECT_EQ(FindUser("12345")->uid, 12345U);
  EXPECT_FALSE(FindUser("no-such-user").ok());
}

}  // namespace
}  // namespace bulkhead::cli
