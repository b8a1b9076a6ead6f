// Where the data plane cannot stand, and what it does with what an earlier process left.
#include "agent/kernel/bpf_policy.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <policy.skel.h>

#include "tests/support/builders.h"
#include "tests/support/lab.h"
#include "tests/support/matchers.h"

namespace bulkhead::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

CompiledPolicy OnePrefix() {
  CompiledPolicy policy;
  policy.classes[{Direction::kEgress, kFirstPrefixClass}] = {{0, true, 0, 65535, 1}};
  policy.prefixes = {{Direction::kEgress, Prefix("10.0.0.0/8"), kFirstPrefixClass}};
  return policy;
}

void KeepOnly(std::initializer_list<int> capabilities) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  for (const int capability : capabilities) data[capability / 32].permitted |= 1u << capability % 32;
  for (auto& word : data) word.effective = word.permitted;
  if (::syscall(SYS_capset, &header, data) != 0) ::_exit(100);
}

// What the agent does, but for looking at its capabilities first: loads every program and attaches one. 0, or 1.
int LoadAndAttach(const std::string& root) {
  libbpf_set_print(nullptr);
  policy_bpf* object = policy_bpf__open();
  if (!object || policy_bpf__load(object) != 0) return 1;
  const UniqueFd cgroup(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd link(
      bpf_link_create(bpf_program__fd(object->progs.egress), cgroup.get(), BPF_CGROUP_INET_EGRESS, nullptr));
  policy_bpf__destroy(object);
  return link.valid() ? 0 : 1;
}

class BpfPolicyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto lab = Lab::Create();
    if (lab.status().code() == StatusCode::kPermissionDenied || lab.status().code() == StatusCode::kFailedPrecondition)
      GTEST_SKIP() << Message(lab.status());
    ASSERT_THAT(lab, IsOk());
    lab_ = *std::move(lab);
  }
  uint64_t Used(const std::string& map) {
    for (const MapUse& use : lab_->maps().Use())
      if (use.map == map) return use.used;
    return 0;
  }
  std::unique_ptr<Lab> lab_;
};

TEST_F(BpfPolicyTest, DirectoryThatIsOnNoBpfMountNamesTheCommand) {
  const std::string plain = lab_->bpffs() + "-plain";  // beside the directory, still on the mount
  EXPECT_THAT(BpfPolicy::Create(lab_->root(), "/proc/self/bulkhead"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("mount -t bpf bpf /proc/self")));
  EXPECT_THAT(BpfPolicy::Create(lab_->root(), plain), IsOk());
}

TEST_F(BpfPolicyTest, TopOfTheHierarchyIsRefused) {
  EXPECT_THAT(BpfPolicy::Create(std::filesystem::path(lab_->root()).parent_path(), lab_->bpffs() + "-top"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("top of the hierarchy")));
  EXPECT_THAT(BpfPolicy::Create("/tmp", lab_->bpffs() + "-top"),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("not a cgroup2 directory")));
}

TEST_F(BpfPolicyTest, AncestorWithAnExclusiveProgramIsNamed) {
  lab_->Make("outer/inner");
  const bpf_insn instructions[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = BPF_CGROUP_INET_EGRESS;
  const UniqueFd program(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "exclusive", "GPL", instructions, 2, &options));
  const std::string outer = lab_->root() + "/outer";
  BULKHEAD_TEST_ASSIGN(const CgroupRef holder, OpenCgroup(outer));
  ASSERT_EQ(bpf_prog_attach(program.get(), holder.fd.get(), BPF_CGROUP_INET_EGRESS, 0), 0);
  EXPECT_THAT(BpfPolicy::Create(outer + "/inner", lab_->bpffs() + "-inner"),
              StatusIs(StatusCode::kFailedPrecondition, AllOf(HasSubstr(outer + " "), HasSubstr("egress"))));
}

TEST_F(BpfPolicyTest, MissingCapabilitiesAreNamed) {
  const int result = lab_->Run("", [&] {
    KeepOnly({CAP_NET_ADMIN});
    const auto made = BpfPolicy::Create(lab_->root(), lab_->bpffs());
    if (made.status().code() != StatusCode::kPermissionDenied) return 3;
    return Message(made.status()).find("CAP_BPF") == std::string::npos ? 4 : 0;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(BpfPolicyTest, BpfPerfmonAndNetAdminSuffice) {
  const int result = lab_->Run("", [&] {
    KeepOnly({CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN});
    const auto made = BpfPolicy::Create(lab_->root(), lab_->bpffs());
    if (!made.ok()) fmt::print(stderr, "{}\n", Message(made.status()));
    return made.ok() ? 0 : 3;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(BpfPolicyTest, TheKernelRefusesEveryTwoOfTheThree) {
  const auto with = [&](std::initializer_list<int> capabilities) {
    return lab_->Run("", [&] {
      KeepOnly(capabilities);
      return LoadAndAttach(lab_->root());
    });
  };
  EXPECT_EQ(with({CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN}), 0) << "the attempt itself works";
  EXPECT_EQ(with({CAP_PERFMON, CAP_NET_ADMIN}), 1);
  EXPECT_EQ(with({CAP_BPF, CAP_NET_ADMIN}), 1);
  EXPECT_EQ(with({CAP_BPF, CAP_PERFMON}), 1);
}

TEST_F(BpfPolicyTest, PolicyThatWasNotFinishedIsCollectedAtTheNextStart) {
  ASSERT_THAT(lab_->maps().InstallPolicy(1, OnePrefix()), IsOk());
  ASSERT_THAT(lab_->maps().InstallPolicy(2, OnePrefix()), IsOk());
  const uint32_t unfinished = 2;  // its record is what a killed agent had no time to write
  const UniqueFd policies(bpf_obj_get((lab_->bpffs() + "/v1/maps/policies").c_str()));
  ASSERT_EQ(bpf_map_delete_elem(policies.get(), &unfinished), 0);
  lab_->CloseMaps();
  ASSERT_THAT(lab_->OpenMaps(), IsOk());
  BULKHEAD_TEST_ASSIGN(const auto left, lab_->maps().Policies());
  EXPECT_THAT(left, ::testing::ElementsAre(::testing::Pair(1u, OnePrefix().ContentHash())));
  EXPECT_EQ(Used("prefixes"), 1u);
  EXPECT_EQ(Used("classes"), 1u);
  EXPECT_THAT(lab_->maps().InstallPolicy(2, OnePrefix()), IsOk());
  ASSERT_THAT(lab_->maps().RetirePolicy(1), IsOk()) << "adopted policies can be retired";
  EXPECT_EQ(Used("prefixes"), 1u);
}

// Entries that could not be deleted lie under an id that the agent gives out again: the next policy of that id would
// allow what the failed one allowed.
TEST_F(BpfPolicyTest, EntriesThatCouldNotBeTakenBackNeverJoinAnotherPolicy) {
  CompiledPolicy whole = OnePrefix();
  const UniqueFd prefixes(bpf_obj_get((lab_->bpffs() + "/v1/maps/prefixes").c_str()));
  ASSERT_THAT(lab_->maps().InstallPolicy(1, whole), IsOk());
  ASSERT_EQ(bpf_map_freeze(prefixes.get()), 0);  // from here on every deletion fails
  EXPECT_THAT(lab_->maps().RetirePolicy(1), StatusIs(StatusCode::kPermissionDenied, HasSubstr("prefixes")));
  whole.prefixes.clear();
  EXPECT_THAT(lab_->maps().InstallPolicy(1, whole), StatusIs(StatusCode::kPermissionDenied, HasSubstr("prefixes")));

  EXPECT_THAT(lab_->maps().InstallPolicy(2, OnePrefix()),
              StatusIs(StatusCode::kPermissionDenied, HasSubstr("prefixes")));
  EXPECT_THAT(lab_->maps().InstallPolicy(2, whole), StatusIs(StatusCode::kPermissionDenied, HasSubstr("prefixes")));
  EXPECT_THAT(lab_->maps().InstallPolicy(3, whole), IsOk()) << "an id without remains";
  BULKHEAD_TEST_ASSIGN(const auto installed, lab_->maps().Policies());
  EXPECT_THAT(installed, ::testing::ElementsAre(::testing::Pair(3u, ::testing::_)));
}

// Somebody clears the directory of pins: links and maps must both be pinned again, or the next agent starts with maps
// that know no task.
TEST_F(BpfPolicyTest, PinsThatSomebodyRemovedComeBackWithTheirContents) {
  lab_->Bind("acme/web", OnePrefix());
  const auto bound = lab_->maps().Bindings();
  const std::string pins = lab_->bpffs() + "/v1";
  std::filesystem::remove(pins + "/maps/tasks");
  EXPECT_THAT(lab_->maps().CheckAttached(), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("maps/tasks")));
  for (const char* folder : {"/maps", "/links"})
    for (const auto& pin : std::filesystem::directory_iterator(pins + folder)) std::filesystem::remove(pin);
  ASSERT_THAT(lab_->maps().Attach(), IsOk());
  EXPECT_THAT(lab_->maps().CheckAttached(), IsOk());
  lab_->CloseMaps();
  ASSERT_THAT(lab_->OpenMaps(), IsOk());
  EXPECT_EQ(*lab_->maps().Bindings(), *bound);
}

}  // namespace
}  // namespace bulkhead::test
