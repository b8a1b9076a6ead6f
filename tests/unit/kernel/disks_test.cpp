// From a path to the disk under it, on a made-up host.
#include "agent/kernel/disks.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/base/file_io.h"
#include "agent/kernel/mount_info.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace bulkhead::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace fs = std::filesystem;

class Host {
 public:
  Host() {
    fs::create_directories(sys() + "/dev/block");
    Write("mountinfo", "");
  }
  // The device as /sys shows it: `place` below /sys/devices.
  void AddDevice(const std::string& number, const std::string& place, bool partition = false) {
    const fs::path directory = sys() + "/devices/" + place;
    fs::create_directories(directory);
    std::ofstream(directory / "dev") << number << "\n";
    if (partition) std::ofstream(directory / "partition") << "1\n";
    fs::create_directory_symlink(directory, sys() + "/dev/block/" + number);
  }
  void Write(const std::string& file, const std::string& text) { std::ofstream(root_ / file) << text; }
  Result<DiskId> Under(const std::string& path) { return DiskUnder(path, {sys(), root_ / "mountinfo"}); }
  // This program, on whatever it is on.
  static std::string file() { return fs::canonical("/proc/self/exe"); }
  static std::string device_of_file() {
    struct stat info {};
    EXPECT_EQ(::stat(file().c_str(), &info), 0);
    return fmt::format("{}:{}", major(info.st_dev), minor(info.st_dev));
  }

 private:
  std::string sys() const { return root_ / "sys"; }
  TempDir root_;
};

TEST(DiskUnder, APartitionIsItsWholeDisk) {
  Host host;
  if (host.device_of_file().starts_with("0:")) GTEST_SKIP() << "this program is on no disk";
  for (const auto& [disk, place] : {std::pair("259:7", "pci0/nvme/nvme0/nvme0n1"), {"8:0", "pci0/ata1/block/sda"}}) {
    Host one;
    one.AddDevice(disk, place);
    one.AddDevice(one.device_of_file(), std::string(place) + "/" + "p1", /*partition=*/true);
    EXPECT_EQ(one.Under(one.file())->ToString(), disk);
  }
}

TEST(DiskUnder, LoopMdAndDeviceMapperAreDisks) {
  Host host;
  if (host.device_of_file().starts_with("0:")) GTEST_SKIP() << "this program is on no disk";
  host.AddDevice(host.device_of_file(), "virtual/block/dm-0");
  EXPECT_EQ(host.Under(host.file())->ToString(), host.device_of_file());
}

TEST(DiskUnder, WhatIsNotThereIsNamed) {
  Host host;
  EXPECT_THAT(host.Under("/no/such/path"), StatusIs(StatusCode::kNotFound, HasSubstr("/no/such/path")));
  if (host.device_of_file().starts_with("0:")) return;
  EXPECT_THAT(host.Under(host.file()), StatusIs(StatusCode::kNotFound, HasSubstr("no disk " + host.device_of_file())));
}

TEST(DiskUnder, AFileSystemWithoutADiskIsRefusedByName) {
  EXPECT_THAT(DiskUnder("/proc/self/status"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("is on proc, which is on no disk")));
  EXPECT_THAT(DiskUnder("/sys"), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("is on sysfs")));
}

TEST(ParseMountInfo, ReadsAllFields) {
  const auto mounts = ParseMountInfo(
      "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
      "31 24 0:50 / /mnt/o rw - overlay overlay rw,lowerdir=/a:/b,upperdir=/data/up\\,per,workdir=/w\n");
  ASSERT_THAT(mounts, SizeIs(2));
  EXPECT_EQ(mounts[0].id, 24U);
  EXPECT_EQ(mounts[0].root, "/");
  EXPECT_EQ(mounts[0].mount_point, "/");
  EXPECT_EQ(mounts[0].type, "ext4");
  EXPECT_EQ(mounts[0].source, "/dev/vda1");
  EXPECT_THAT(mounts[1].options, ElementsAre("rw", "lowerdir=/a:/b", "upperdir=/data/up,per", "workdir=/w"));
}

TEST(ParseMountInfo, OptionalFieldsAreSkippedAndPathsUnescaped) {
  const auto mounts = ParseMountInfo("41 31 0:38 /a\\040b /mnt/c\\134d\\011e rw master:3 shared:4 - cgroup2 none rw\n");
  ASSERT_THAT(mounts, SizeIs(1));
  EXPECT_EQ(mounts[0].mount_point, "/mnt/c\\d\te");
  EXPECT_EQ(mounts[0].root, "/a b");
  EXPECT_EQ(mounts[0].type, "cgroup2");
}

TEST(ParseMountInfo, LinesThatAreCutOffAreSkipped) {
  for (const char* text : {"", "\n", "41 31 0:38 / /x rw", "41 31 0:38 / /x rw -", "41 31 0:38 / /x rw - cgroup2",
                           "- cgroup2 none rw", "41 - cgroup2 none rw"})
    EXPECT_THAT(ParseMountInfo(text), IsEmpty()) << text;
}

}  // namespace
}  // namespace bulkhead::test
