// What goes into a debug bundle, what does not, and how much of it.
#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "agent/cli/archive.h"
#include "agent/cli/bundle.h"
#include "tests/support/temp_dir.h"

namespace bulkhead::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

HostFacts Host() {
  HostFacts host;
  host.kernel = "6.1.0";
  host.systemd = true;
  host.mounts = {{"/sys/fs/cgroup", "cgroup2", "rw"}, {"/sys/fs/bpf", "bpf", "rw"}};
  host.config_file = "/etc/bulkhead/bulkheadd.yaml";
  host.config.mutable_paths()->set_bpffs("/sys/fs/bpf/bulkhead");
  host.config.mutable_cgroup()->set_root("auto");
  host.config.mutable_controller()->mutable_tls()->set_key("/etc/bulkhead/key.pem");
  host.units["docker.service"] = {{"Id", "docker.service"}};
  return host;
}

AgentFacts Answering() {
  AgentFacts agent;
  agent.node.set_agent_version("0.1.0");
  agent.node.set_cgroup_root("/sys/fs/cgroup/mine");
  return agent;
}

const BundleItem& Find(const std::vector<BundleItem>& items, const std::string& name) {
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const BundleItem& item) { return item.name == name; });
  if (found == items.end()) throw std::runtime_error(name + " is not among the items");
  return *found;
}

TEST(BundleItems, NameWhatAnEngineerAsksFirst) {
  const auto items = BundleItems(Host(), Answering(), {});
  for (const char* name : {"versions.txt",
                           "doctor.txt",
                           "doctor.json",
                           "configuration/bulkheadd.yaml",
                           "configuration/manifests.yaml",
                           "agent/status.json",
                           "agent/events.jsonl",
                           "agent/plan.jsonl",
                           "agent/tenants.jsonl",
                           "agent/tasks.jsonl",
                           "agent/policies.jsonl",
                           "agent/usage.jsonl",
                           "journal/bulkheadd.log",
                           "units/bulkheadd.service",
                           "units/bulkhead-tenants.service",
                           "units/bulkhead.slice",
                           "units/state.txt",
                           "kernel/cgroups.txt",
                           "kernel/pins.txt",
                           "kernel/mounts.txt",
                           "kernel/own_cgroup.txt"})
    EXPECT_FALSE(std::holds_alternative<FromNowhere>(Find(items, name).source)) << name;
  EXPECT_THAT(std::get<FromCgroups>(Find(items, "kernel/cgroups.txt").source).roots, ElementsAre("mine"));
  EXPECT_THAT(std::get<FromCommand>(Find(items, "units/state.txt").source).command, Contains("docker.service"));
}

TEST(BundleItems, NoFileTwice) {
  auto items = BundleItems(Host(), Answering(), {});
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  EXPECT_EQ(
      std::adjacent_find(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.name == b.name; }),
      items.end());
}

TEST(BundleItems, TheConfigurationNamesAKeyAndDoesNotOpenIt) {
  const auto items = BundleItems(Host(), Answering(), {});
  EXPECT_THAT(std::get<FromText>(Find(items, "configuration/bulkheadd.yaml").source).text,
              HasSubstr("/etc/bulkhead/key.pem"));
  for (const BundleItem& item : items) {
    const auto* file = std::get_if<FromFile>(&item.source);
    if (file == nullptr) continue;
    EXPECT_TRUE(file->path.starts_with("/proc/") || file->path.starts_with("/sys/") || file->path == "/etc/os-release")
        << file->path;
  }
}

TEST(BundleItems, AskSystemdForNoCommandLineAndNoLogOfATenant) {
  for (const BundleItem& item : BundleItems(Host(), Answering(), {})) {
    const auto* from = std::get_if<FromCommand>(&item.source);
    if (from == nullptr) continue;
    for (const std::string& word : from->command) {
      EXPECT_THAT(word, Not(HasSubstr("Environment")));
      EXPECT_THAT(word, Not(HasSubstr("ExecStart")));
      EXPECT_NE(word, "status");  // shows the processes of a unit
    }
    // Whatever a task logs carries the tenants' unit: only what process 1 says of it is asked for.
    if (from->command.front() == "journalctl" && item.name.find("tenants") != std::string::npos) {
      EXPECT_THAT(from->command, Contains("_PID=1"));
    }
  }
}

TEST(BundleItems, WithoutAnAgentSayWhyAndFindItsCgroupsBothWays) {
  AgentFacts away;
  away.reached = Unavailable("nobody listens");
  const auto items = BundleItems(Host(), away, {});
  EXPECT_EQ(std::get<FromNowhere>(Find(items, "agent/tasks.jsonl").source).why, "nobody listens");
  EXPECT_THAT(std::get<FromText>(Find(items, "versions.txt").source).text, HasSubstr("unknown: nobody listens"));
  EXPECT_THAT(std::get<FromCgroups>(Find(items, "kernel/cgroups.txt").source).roots,
              ElementsAre("bulkhead.slice/bulkhead-tenants.service", "bulkhead"));
}

TEST(BundleItems, WithoutSystemdSaySo) {
  HostFacts host = Host();
  host.systemd = false;
  const auto items = BundleItems(host, Answering(), {});
  for (const char* name : {"journal/bulkheadd.log", "units/state.txt", "units/bulkheadd.service"})
    EXPECT_THAT(std::get<FromNowhere>(Find(items, name).source).why, HasSubstr("systemd")) << name;
}

TEST(BundleItems, AConfigurationThatCannotBeReadIsMissingForItsReason) {
  HostFacts host = Host();
  host.config_status = InvalidArgument("bulkheadd.yaml:3: nonsense: unknown field");
  const auto items = BundleItems(host, Answering(), {});
  EXPECT_THAT(std::get<FromNowhere>(Find(items, "configuration/bulkheadd.yaml").source).why, HasSubstr(":3: nonsense"));
}

TEST(BundleItems, AFindingThatQuotesAKeyDoesNotHandItOn) {
  v1::DiagnoseResponse doctor;
  v1::Finding& bad = *doctor.add_findings();
  bad.set_severity(v1::SEVERITY_ERROR);
  bad.set_found(
      "bulkheadd.yaml:5: controller.tls.key: \"-----BEGIN PRIVATE KEY-----?MIIEvQIBADANBgkqhki\"... is not absolute");
  bad.set_action("correct the file");
  const auto items = BundleItems(Host(), Answering(), doctor);
  for (const char* name : {"doctor.txt", "doctor.json"}) {
    const std::string text = std::get<FromText>(Find(items, name).source).text;
    EXPECT_THAT(text, Not(HasSubstr("MIIE"))) << name;
    EXPECT_THAT(text, HasSubstr("correct the file")) << name;
  }
}

TEST(CgroupFile, ThatListsProcessesOrOnlyTakesWritesIsNotWanted) {
  for (const char* name : {"cpu.max", "memory.stat", "cgroup.events", "pids.current", "io.max", "cpuacct.usage"})
    EXPECT_TRUE(CgroupFileWanted(name)) << name;
  for (const char* name : {"cgroup.procs", "cgroup.threads", "tasks", "cgroup.kill", "memory.reclaim", "release_agent"})
    EXPECT_FALSE(CgroupFileWanted(name)) << name;
}

TEST(Redact, ALineMayBeAsLongAsAFile) {
  std::string line;
  for (int i = 0; i < 300'000; ++i) line += "a://b@c ";
  const std::string clean = Redact(line);
  EXPECT_EQ(clean.find("b@"), std::string::npos);
  EXPECT_TRUE(clean.starts_with("a://(removed)@c a://(removed)@c "));
}

TEST(Redact, LeavesWhatIsNoSecret) {
  for (const char* text : {"", "\n", "max 100000\n", "key: /etc/bulkhead/key.pem", "a token was refused",
                           "-----BEGIN CERTIFICATE-----\nMIIB", "unix:///run/bulkhead/bulkheadd.sock and alice@example",
                           "MemoryMax=32M\nExecStart=/usr/sbin/bulkheadd\n"})
    EXPECT_EQ(Redact(text), text);
}

TEST(Redact, TakesPrivateKeysWhole) {
  EXPECT_EQ(Redact("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAAAA\n-----END RSA PRIVATE KEY-----\nb\n"),
            "a\n(removed)\nb\n");
  EXPECT_EQ(Redact(R"({"m":"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n","n":1})"),
            R"({"m":"(removed)\n","n":1})");
  EXPECT_THAT(Redact("x -----BEGIN PRIVATE KEY-----\nMIIE\nAAAA"), Not(HasSubstr("MIIE"))) << "cut before its end";
  EXPECT_THAT(Redact("-----BEGIN\n    PRIVATE KEY-----?MIIE"), Not(HasSubstr("MIIE"))) << "broken into lines";
}

TEST(Redact, TakesValuesOfTellingNamesAndKeepsTheForm) {
  const std::map<std::string, std::string> cases = {
      {"password: hunter2 and more", "password: (removed)"},
      {"db_password=hunter2 host=a", "db_password=(removed) host=a"},
      {R"j({"token":"abc","n":1})j", R"j({"token":"(removed)","n":1})j"},
      {R"j({"labels":{"api_key":"a\"b"},"n":1})j", R"j({"labels":{"api_key":"(removed)"},"n":1})j"},
      {R"j({"m":"secret=\"abc\", rest"})j", R"j({"m":"secret=\"(removed)\", rest"})j"},
      {"agent --auth-token abc --level info", "agent --auth-token (removed) --level info"},
      {"Authorization: Bearer abc", "Authorization: (removed)"},
      {"https://alice:pw@example/x https://bob:pw@b", "https://(removed)@example/x https://(removed)@b"},
      {"a\nEnvironment=KEY=abc \\\n  OTHER=def\nUser=root\n", "a\nEnvironment=(removed)\nUser=root\n"},
  };
  for (const auto& [text, clean] : cases) EXPECT_EQ(Redact(text), clean);
}

BundleItem Item(const std::string& name, bool newest = false) { return {name, "about", FromText{}, newest}; }

std::string TextOf(const std::vector<BundleFile>& files, const std::string& name) {
  for (const BundleFile& file : files)
    if (file.name == name) return file.text;
  return "(none)";
}

TEST(Bundle, ManifestListsWhatIsInAndWhatIsMissingWithItsReason) {
  Bundle bundle;
  bundle.Add(Item("a.txt"), std::string("abc\n"), "");
  bundle.Add(Item("b.txt"), PermissionDenied("open b: Permission denied"), "");
  bundle.Add(Item("c.txt"), std::string("c\n"), "time was over");
  EXPECT_EQ(bundle.missing(), 1U);
  const auto files = std::move(bundle).Finish("title\n");
  EXPECT_EQ(files.front().name, "MANIFEST");
  ASSERT_EQ(files.size(), 3U);
  const std::string& manifest = files.front().text;
  EXPECT_THAT(manifest, ::testing::StartsWith("title\n"));
  EXPECT_THAT(manifest, HasSubstr("4  a.txt"));
  EXPECT_THAT(manifest, HasSubstr("open b: Permission denied"));
  EXPECT_THAT(manifest, HasSubstr("not whole: time was over"));
  EXPECT_THAT(manifest, HasSubstr("Bounds: 4 MiB a file, 32 MiB in all"));
}

TEST(Bundle, CutsAFileAtALineAndALogAtItsOldEnd) {
  Bundle bundle({.file = 10, .all = 1000});
  bundle.Add(Item("a.txt"), std::string("1234\n6789\nabcd\n"), "");
  bundle.Add(Item("log.txt", true), std::string("1234\n6789\nabcd\n"), "");
  bundle.Add(Item("line.txt"), std::string("123456789abcdef"), "");
  const auto files = std::move(bundle).Finish("");
  EXPECT_EQ(TextOf(files, "a.txt"), "1234\n6789\n");
  EXPECT_EQ(TextOf(files, "log.txt"), "6789\nabcd\n");
  EXPECT_EQ(TextOf(files, "line.txt"), "123456789a");
  EXPECT_THAT(files.front().text, HasSubstr("cut: the newest of 15 bytes"));
}

TEST(Bundle, TakesNoMoreThanAllMayAndSaysWhatHadNoRoom) {
  Bundle bundle({.file = 10, .all = 15});
  for (const char* name : {"a", "b", "c"}) bundle.Add(Item(name), std::string("123456789\n"), "");
  EXPECT_EQ(bundle.missing(), 1U);
  EXPECT_THAT(bundle.entries(), Contains(Field(&Bundle::Entry::note, HasSubstr("the bundle takes"))));
  const auto files = std::move(bundle).Finish("");
  size_t bytes = 0;
  for (size_t i = 1; i < files.size(); ++i) bytes += files[i].text.size();
  EXPECT_EQ(bytes, 15U);
}

TEST(Bundle, RedactsAlsoReasons) {
  Bundle bundle;
  bundle.Add(Item("a"), std::string("password=x1y2\n"), "");
  bundle.Add(Item("b"), InvalidArgument("tls.key: -----BEGIN PRIVATE KEY-----\nx1y2\n-----END PRIVATE KEY-----"), "");
  for (const BundleFile& file : std::move(bundle).Finish("")) EXPECT_THAT(file.text, Not(HasSubstr("x1y2")));
}

std::map<std::string, std::string> Unpack(const std::string& path) {
  std::map<std::string, std::string> files;
  archive* reader = archive_read_new();
  archive_read_support_filter_gzip(reader);
  archive_read_support_format_tar(reader);
  EXPECT_EQ(archive_read_open_filename(reader, path.c_str(), 10240), ARCHIVE_OK);
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    std::string text(static_cast<size_t>(archive_entry_size(entry)), '\0');
    EXPECT_EQ(archive_read_data(reader, text.data(), text.size()), static_cast<la_ssize_t>(text.size()));
    files[archive_entry_pathname(entry)] = text;
  }
  archive_read_free(reader);
  return files;
}

class ArchiveTest : public ::testing::Test {
 protected:
  std::string Path() const { return folder_.path() + "/a.tar.gz"; }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename());
    return names;
  }
  test::TempDir folder_;
};

TEST_F(ArchiveTest, ComesBackWholeAndIsForItsOwnerOnly) {
  const std::string large(3U << 20U, 'x');
  const auto size = WriteArchive(Path(), false, "top", {{"MANIFEST", "m\n"}, {"a/large.txt", large}, {"empty", ""}});
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(*size, std::filesystem::file_size(Path()));
  EXPECT_EQ(Unpack(Path()), (std::map<std::string, std::string>{
                                {"top/MANIFEST", "m\n"}, {"top/a/large.txt", large}, {"top/empty", ""}}));
  struct stat status {};
  ASSERT_EQ(::stat(Path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_THAT(Names(), ElementsAre("a.tar.gz"));
}

TEST_F(ArchiveTest, WritesOverAFileOnlyWhenAsked) {
  std::ofstream(Path()) << "mine";
  EXPECT_EQ(WriteArchive(Path(), false, "top", {{"a", "b"}}).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(std::filesystem::file_size(Path()), 4U);
  EXPECT_TRUE(WriteArchive(Path(), true, "top", {{"a", "b"}}).ok());
  EXPECT_EQ(Unpack(Path()).size(), 1U);
  EXPECT_THAT(Names(), ElementsAre("a.tar.gz"));
}

TEST_F(ArchiveTest, WhatCannotBeWrittenLeavesNothing) {
  EXPECT_FALSE(WriteArchive(folder_.path() + "/none/a.tar.gz", false, "top", {{"a", "b"}}).ok());
  std::filesystem::create_directory(Path());
  EXPECT_FALSE(WriteArchive(Path(), true, "top", {{"a", "b"}}).ok());
  EXPECT_THAT(Names(), ElementsAre("a.tar.gz"));
}

}  // namespace
}  // namespace bulkhead::cli
