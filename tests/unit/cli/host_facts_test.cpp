#include "agent/cli/host_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <csignal>
#include <fstream>

#include "agent/base/unique_fd.h"
#include "agent/cli/command.h"
#include "tests/support/temp_dir.h"

namespace bulkhead::cli {
namespace {

using ::testing::HasSubstr;

TEST(ParseMounts, OptionalFieldsAndSuperOptions) {
  const auto mounts = ParseMounts(
      "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 master:2 - cgroup2 cgroup2 rw,nsdelegate\n"
      "31 25 0:27 / /sys/fs/bpf rw - bpf bpf rw,mode=700\n"
      "broken line\n");
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[1].point, "/sys/fs/cgroup");
  EXPECT_EQ(mounts[1].type, "cgroup2");
  EXPECT_EQ(mounts[1].options, "rw,nsdelegate");
  EXPECT_EQ(mounts[2].type, "bpf");
}

TEST(ParseUnits, BlocksById) {
  const auto units =
      ParseUnits("Id=a.service\nActiveState=active\nExec={ path=/x ; a=b }\n\nActiveState=x\nId=b.slice\n");
  ASSERT_EQ(units.size(), 2U);
  EXPECT_EQ(units.at("a.service").at("ActiveState"), "active");
  EXPECT_EQ(units.at("a.service").at("Exec"), "{ path=/x ; a=b }");
  EXPECT_EQ(units.at("b.slice").at("ActiveState"), "x");
}

TEST(ReadHost, ThisOne) {
  const HostFacts facts = ReadHost("", "/nonexistent/socket");
  EXPECT_NE(facts.kernel, "unknown");
  EXPECT_FALSE(facts.mounts.empty());
  EXPECT_EQ(facts.socket_status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(facts.config.has_paths());
}

TEST(ReadHost, ABadConfigurationIsAFactAndTheDefaultsGoOn) {
  const test::TempDir folder;
  const std::string file = folder.path() + "/bulkheadd.yaml";
  std::ofstream(file) << "nod: {}\n";
  const HostFacts facts = ReadHost(file, "");
  EXPECT_EQ(facts.config_file, file);
  EXPECT_THAT(Message(facts.config_status), HasSubstr("nod"));
  EXPECT_EQ(facts.config.paths().state(), "/var/lib/bulkhead");
}

TEST(ReadHost, SocketsModeAndTheFolderThatOthersMayNotPass) {
  const test::TempDir folder;  // mode 0700
  const std::string file = folder / "file";
  std::ofstream(file) << "";
  EXPECT_THAT(Message(ReadHost("", file).socket_status), HasSubstr("no socket"));

  const std::string path = folder / "socket";
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  const HostFacts facts = ReadHost("", path);
  EXPECT_TRUE(facts.socket_status.ok()) << Message(facts.socket_status);
  EXPECT_EQ(facts.socket_mode, 0640U);
  EXPECT_EQ(facts.closed_folder, folder.path());
}

TEST(RunCommand, GivesBothStreamsAndTheExitCode) {
  const auto done = RunCommand({"sh", "-c", "echo out; echo err >&2; exit 3"}, std::chrono::seconds(60), 1000);
  ASSERT_TRUE(done.ok()) << Message(done.status());
  EXPECT_EQ(done->code, 3);
  EXPECT_EQ(done->text, "out\nerr\n");
  EXPECT_FALSE(done->cut);
}

TEST(RunCommand, LimitsOutputAndTime) {
  const auto much = RunCommand({"sh", "-c", "head -c 1000000 /dev/zero"}, std::chrono::seconds(60), 1000);
  ASSERT_TRUE(much.ok());
  EXPECT_EQ(much->text.size(), 1000U);
  EXPECT_TRUE(much->cut);
  EXPECT_EQ(much->code, 0) << "it was not cut off in the middle";
  EXPECT_EQ(RunCommand({"sleep", "1000"}, std::chrono::seconds(1), 1000).status().code(),
            StatusCode::kDeadlineExceeded);
}

TEST(RunCommand, SpeaksEnglishAndReadsNothing) {
  const auto done =
      RunCommand({"sh", "-c", "echo $LC_ALL; cat; env | grep -c ^LC_ALL="}, std::chrono::seconds(60), 1000);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->text, "C.UTF-8\n1\n");
}

TEST(RunCommand, WhatIsNotInstalledIsNotFound) {
  EXPECT_EQ(RunCommand({"no-such-program"}, std::chrono::seconds(60), 1000).status().code(), StatusCode::kNotFound);
  const auto killed = RunCommand({"sh", "-c", "kill -9 $$"}, std::chrono::seconds(60), 1000);
  ASSERT_TRUE(killed.ok());
  EXPECT_EQ(killed->code, 128 + SIGKILL);
}

}  // namespace
}  // namespace bulkhead::cli
