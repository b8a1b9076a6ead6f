#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "agent/manifest/manifest.h"

namespace bulkhead {
namespace {

class LoadManifestsTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bh-manifest-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  std::string folder_;
};

TEST_F(LoadManifestsTest, AFolderIsReadInOrderOfName) {
  Write("20.yml", "kind: Tenant\nname: b\n");
  Write("10.yaml", "kind: Tenant\nname: a\n");
  Write("notes.txt", "not: read");
  std::filesystem::create_directory(folder_ + "/sub.yaml");
  const auto objects = LoadObjects({folder_});
  ASSERT_TRUE(objects.ok()) << objects.status();
  ASSERT_EQ(objects->size(), 2U);
  EXPECT_EQ(objects->at(0).object.tenant().name(), "a");
  EXPECT_EQ(objects->at(1).file, folder_ + "/20.yml");
}

TEST_F(LoadManifestsTest, TheSameObjectInTwoFilesNamesBothPlaces) {
  const std::string a = Write("a.yaml", "kind: Tenant\nname: x\n");
  const std::string b = Write("b.yaml", "---\nkind: Tenant\nname: x\n");
  EXPECT_EQ(Message(LoadManifests({folder_}).status()), b + ":2: Tenant x is already defined at " + a + ":1");
}

TEST_F(LoadManifestsTest, ErrorsOfAllFilesComeTogether) {
  const std::string a = Write("a.yaml", "kind: Pod\n");
  const std::string b = Write("b.yaml", "kind: Tenant\n");
  EXPECT_EQ(Message(LoadManifests({a, b}).status()),
            a + ":1: kind: \"Pod\" is not a kind; use one of Tenant, Task, NetworkPolicy\n" + b +
                ":1: name: missing: a Tenant needs one");
}

TEST_F(LoadManifestsTest, AMissingFileSaysSo) {
  const auto objects = LoadManifests({folder_ + "/none.yaml"});
  EXPECT_EQ(objects.status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Message(objects.status()), "open " + folder_ + "/none.yaml: No such file or directory");
}

TEST_F(LoadManifestsTest, AnEndlessFileIsCutOff) {
  EXPECT_EQ(Message(LoadManifests({"/dev/zero"}).status()),
            "/dev/zero:1: too large: 1048577 bytes, at most 1 MiB are read");
}

TEST_F(LoadManifestsTest, StandardInputAndPipesAreRead) {
  const std::string text = "kind: Tenant\nname: piped\n";
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const int saved = ::dup(STDIN_FILENO);
  ::dup2(ends[0], STDIN_FILENO);
  ::close(ends[0]);
  const auto objects = LoadObjects({"-"});
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_EQ(objects->at(0).object.tenant().name(), "piped");
  EXPECT_EQ(objects->at(0).file, "-");
}

}  // namespace
}  // namespace bulkhead
