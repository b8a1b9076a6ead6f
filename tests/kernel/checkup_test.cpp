// What the agent sees of its host, on this one.
#include "agent/kernel/checkup.h"

#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include <bpf/bpf.h>
#include <gmock/gmock.h>

#include "agent/base/file_io.h"
#include "agent/kernel/features.h"
#include "agent/plan/diagnose.h"
#include "tests/kernel/scratch_tree.h"
#include "tests/support/lab.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Feature& Find(const std::vector<Feature>& features, const std::string& name) {
  for (const Feature& feature : features)
    if (feature.name == name) return feature;
  ADD_FAILURE() << name << " was not tried";
  static const Feature none;
  return none;
}

// Runs `body` without any capability but these.
int WithCapabilities(const std::vector<int>& capabilities, const std::function<int()>& body) {
  return Child([&] {
           __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
           __user_cap_data_struct data[2]{};
           for (int one : capabilities) {
             auto& word = data[one / 32];
             word.effective = word.permitted = word.effective | 1U << static_cast<unsigned>(one % 32);
           }
           return ::syscall(SYS_capset, &header, data) == 0 ? body() : 99;
         })
      .Wait();
}

class FeaturesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto scratch = ScratchTree::Create();
    if (!scratch.ok()) GTEST_SKIP() << Message(scratch.status());
    scratch_ = *std::move(scratch);
  }
  std::unique_ptr<ScratchTree> scratch_;
};

TEST_F(FeaturesTest, AgreeWithWhatElseTheKernelShows) {
  const std::vector<Feature> features = ProbeFeatures(scratch_->tree());
  const std::string root = scratch_->UnifiedDir("");
  namespace fs = std::filesystem;
  EXPECT_EQ(Find(features, "btf").works, fs::exists("/sys/kernel/btf/vmlinux"));
  EXPECT_EQ(Find(features, "cgroup.kill").works, fs::exists(root + "/cgroup.kill"));
  EXPECT_EQ(Find(features, "cgroup.freeze").works, fs::exists(root + "/cgroup.freeze"));
  EXPECT_EQ(Find(features, "psi").works, ReadFile("/proc/pressure/cpu").ok());
  EXPECT_EQ(Find(features, "memory.reclaim").works, fs::exists(root + "/memory.reclaim"));
  for (const Feature& feature : features) EXPECT_EQ(feature.works, feature.detail.empty()) << feature.name;
}

TEST_F(FeaturesTest, EveryOneThatIsMissingIsExplained) {
  std::vector<Feature> features = ProbeFeatures(scratch_->tree());
  for (Feature& feature : features) feature = {feature.name, false, "tried in vain"};
  size_t notes = 0;
  for (const Finding& finding : Diagnose({.features = features})) {
    if (finding.severity != Severity::kNote) continue;
    ++notes;
    EXPECT_NE(finding.meaning, "") << finding.found;
  }
  EXPECT_EQ(notes, features.size());
}

TEST_F(FeaturesTest, LeaveTheTreeAndItsProcessesAlone) {
  ASSERT_THAT(scratch_->tree().Create(CgroupPath{"acme"}), IsOk());
  ASSERT_THAT(scratch_->tree().Create(CgroupPath{"acme/web"}), IsOk());
  Child child = Child::Sleeping();
  ASSERT_THAT(scratch_->tree().Attach(CgroupPath{"acme/web"}, child.pid()), IsOk());
  BULKHEAD_TEST_ASSIGN(const auto before, scratch_->tree().List());
  (void)ProbeFeatures(scratch_->tree());
  BULKHEAD_TEST_ASSIGN(const auto after, scratch_->tree().List());
  EXPECT_EQ(before, after);
  EXPECT_TRUE(child.Alive());
  BULKHEAD_TEST_ASSIGN(const std::string frozen, ReadFile(scratch_->UnifiedDir("acme/web") + "/cgroup.freeze"));
  EXPECT_EQ(Trim(frozen), "0");
}

TEST_F(FeaturesTest, WithoutCapabilitiesSayWhy) {
  EXPECT_EQ(WithCapabilities({},
                             [&] {
                               const std::vector<Feature> features = ProbeFeatures(scratch_->tree());
                               const Feature& sock_ops = Find(features, "sock_ops");
                               return !sock_ops.works && sock_ops.detail.find("not permitted") != std::string::npos ? 0
                                                                                                                    : 1;
                             }),
            0);
}

class ForeignProgramsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto lab = Lab::Create();
    if (!lab.ok()) GTEST_SKIP() << Message(lab.status());
    lab_ = *std::move(lab);
    lab_->Make("outer/inner");
    outer_ = lab_->root() + "/outer";
    inner_ = outer_ + "/inner";
  }

  // As somebody else would, on a hook of this cgroup. It goes with the cgroup.
  static uint32_t Attach(const std::string& path, bpf_prog_type type, bpf_attach_type hook, uint32_t flags) {
    const bpf_insn instructions[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = hook;
    const UniqueFd program(bpf_prog_load(type, "stranger", "GPL", instructions, 2, &options));
    const auto cgroup = OpenCgroup(path);
    EXPECT_THAT(cgroup, IsOk());
    EXPECT_EQ(bpf_prog_attach(program.get(), cgroup->fd.get(), hook, flags), 0) << std::strerror(errno);
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    EXPECT_EQ(bpf_obj_get_info_by_fd(program.get(), &info, &size), 0);
    return info.id;
  }

  // Those that this test attached: the machine may have programs of its own above the lab.
  std::vector<CgroupProgram> Strangers(const BpfPolicy& policy) {
    auto found = policy.ForeignPrograms();
    EXPECT_THAT(found, IsOk());
    std::erase_if(*found, [&](const CgroupProgram& one) { return one.name != "stranger"; });
    return *found;
  }

  std::unique_ptr<Lab> lab_;
  std::string outer_;
  std::string inner_;
};

TEST_F(ForeignProgramsTest, OursAreNotForeign) {
  BULKHEAD_TEST_ASSIGN(const auto policy, BpfPolicy::Create(inner_, lab_->bpffs() + "-inner"));
  BULKHEAD_TEST_ASSIGN(const auto found, policy->ForeignPrograms());
  for (const CgroupProgram& program : found) EXPECT_FALSE(program.on_top) << program.hook << " " << program.name;
}

TEST_F(ForeignProgramsTest, AreFoundOnTheTopCgroupAndAbove) {
  BULKHEAD_TEST_ASSIGN(const auto policy, BpfPolicy::Create(inner_, lab_->bpffs() + "-inner"));
  const uint32_t device = Attach(inner_, BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI);
  const uint32_t egress = Attach(outer_, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI);
  EXPECT_THAT(Strangers(*policy),
              ElementsAre(AllOf(Field(&CgroupProgram::cgroup, inner_), Field(&CgroupProgram::hook, "device"),
                                Field(&CgroupProgram::id, device), Field(&CgroupProgram::on_top, true),
                                Field(&CgroupProgram::contested, false)),
                          AllOf(Field(&CgroupProgram::cgroup, outer_), Field(&CgroupProgram::hook, "egress"),
                                Field(&CgroupProgram::id, egress), Field(&CgroupProgram::on_top, false),
                                Field(&CgroupProgram::contested, true), Field(&CgroupProgram::exclusive, false))));
}

// Nothing is broken yet: the next start would be.
TEST_F(ForeignProgramsTest, AnExclusiveOneThatCameAfterUsIsAnError) {
  BULKHEAD_TEST_ASSIGN(auto policy, BpfPolicy::Create(inner_, lab_->bpffs() + "-inner"));
  Attach(outer_, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 0);
  EXPECT_THAT(policy->CheckAttached(), IsOk());
  DiagnosisFacts facts{.programs = Strangers(*policy)};
  EXPECT_THAT(Diagnose(facts),
              Contains(AllOf(Field(&Finding::severity, Severity::kError), Field(&Finding::check, "foreign programs"),
                             Field(&Finding::found, HasSubstr(outer_ + " forbids")))));
  EXPECT_THAT(BpfPolicy::Create(inner_, lab_->bpffs() + "-next"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr(outer_)))
      << "which is what the finding says";
}

TEST_F(ForeignProgramsTest, CanBeListedWithNetAdminAndHaveNoNamesThen) {
  BULKHEAD_TEST_ASSIGN(const auto policy, BpfPolicy::Create(inner_, lab_->bpffs() + "-inner"));
  const uint32_t id = Attach(outer_, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI);
  EXPECT_EQ(WithCapabilities({CAP_NET_ADMIN, CAP_BPF},
                             [&] {
                               const auto found = policy->ForeignPrograms();
                               if (!found.ok()) return 1;
                               for (const CgroupProgram& program : *found)
                                 if (program.id == id) return program.name.empty() ? 0 : 2;
                               return 3;
                             }),
            0);
  EXPECT_EQ(WithCapabilities({}, [&] { return policy->ForeignPrograms().ok() ? 1 : 0; }), 0);
}

TEST_F(FeaturesTest, TheCheckupSeesDiskAndCapabilities) {
  auto lab = Lab::Create();
  ASSERT_THAT(lab, IsOk());
  const std::string disk = (*lab)->bpffs() + "-disk";  // in the lab's own mount namespace
  ASSERT_TRUE(std::filesystem::create_directory(disk));
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1m"), 0);
  const DiagnosisFacts facts = LookOver(scratch_->tree(), (*lab)->maps(), disk);
  EXPECT_EQ(facts.disk_available, 1U << 20U);
  EXPECT_EQ(facts.state_problem, "");
  EXPECT_TRUE(std::filesystem::is_empty(disk));
  EXPECT_NE(facts.capabilities, 0U);
  EXPECT_EQ(facts.programs_unknown, "");
  EXPECT_NE(LookOver(scratch_->tree(), (*lab)->maps(), "/nonexistent").state_problem, "");
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m"), 0);
  EXPECT_THAT(LookOver(scratch_->tree(), (*lab)->maps(), disk).state_problem, HasSubstr("Read-only file system"));
}

}  // namespace
}  // namespace bulkhead::test
