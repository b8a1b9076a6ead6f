// Real sockets of real processes in real cgroups, on one network namespace: what the host network looks like to tasks.

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cerrno>

#include <gmock/gmock.h>

#include "agent/plan/policy_compiler.h"
#include "tests/support/builders.h"
#include "tests/support/lab.h"
#include "tests/support/matchers.h"
#include "tests/support/sockets.h"

namespace bulkhead::test {
namespace {

constexpr size_t kIn = 0;
constexpr size_t kOut = 1;

class NetworkWalls : public ::testing::Test {
 protected:
  void SetUp() override {
    auto lab = Lab::Create();
    if (!lab.ok() && lab.status().code() != StatusCode::kInternal)
      GTEST_SKIP() << "cannot make walls here: " << Message(lab.status());
    ASSERT_THAT(lab, IsOk());
    lab_ = *std::move(lab);
  }

  static CompiledPolicy Compile(const std::vector<PolicySpec>& specs, Baseline baseline = Baseline::kIsolate) {
    std::vector<const PolicySpec*> selecting;
    for (const PolicySpec& spec : specs) selecting.push_back(&spec);
    auto compiled = CompilePolicy(selecting, baseline);
    EXPECT_THAT(compiled, IsOk());
    return *compiled;
  }
  void Isolate(const std::vector<std::string>& tasks) {
    for (const std::string& task : tasks) lab_->Bind(task, Compile({}));
  }
  TaskProcess Echo(const std::string& task, uint16_t port) {
    return lab_->Serve(task, [port](const auto& ready) { return EchoServer(port, ready); });
  }
  int ProbeFrom(const std::string& task, const std::string& address, uint16_t port, Transport transport) {
    return lab_->Run(task, [=] { return Probe(address, port, transport); });
  }
  uint64_t Dropped(const std::string& task, size_t direction, DropReason reason) {
    return lab_->Counters(task).dropped[direction][static_cast<size_t>(reason)];
  }
  uint64_t Passed(const std::string& task, size_t direction, Scope scope) {
    return lab_->Counters(task).passed[direction][static_cast<size_t>(scope)].packets;
  }

  std::unique_ptr<Lab> lab_;
};

struct Way {
  const char* address;
  Transport transport;
};
constexpr Way kWays[] = {
    {"127.0.0.1", Transport::kTcp}, {"127.0.0.1", Transport::kUdp}, {"::1", Transport::kTcp}, {"::1", Transport::kUdp}};

TEST_F(NetworkWalls, ProcessOutsideOfAllTasksIsNotTouched) {
  const TaskProcess server = Echo("", 7000);
  for (const Way& way : kWays) EXPECT_EQ(ProbeFrom("", way.address, 7000, way.transport), 0) << way.address;
}

TEST_F(NetworkWalls, TaskThatIsNotBoundGetsNoSocket) {
  lab_->Make("acme/new");
  const TaskProcess server = Echo("", 7000);
  for (const Way& way : kWays) EXPECT_EQ(ProbeFrom("acme/new", way.address, 7000, way.transport), EPERM) << way.address;
  EXPECT_EQ(ProbeFrom("acme", "127.0.0.1", 7000, Transport::kTcp), EPERM) << "a tenant's own cgroup is no task";
  BULKHEAD_TEST_ASSIGN(const NetworkCounters unknown, lab_->maps().ReadUnknown());
  EXPECT_GE(unknown.dropped[kOut][static_cast<size_t>(DropReason::kUnknownTask)], 5u);
}

TEST_F(NetworkWalls, SocketOfATaskThatWasUnboundIsSilenced) {
  Isolate({"acme/web"});
  const TaskProcess server = Echo("", 7000);
  const int result = lab_->Run("acme/web", [&] {
    const UniqueFd fd = OpenSocket("127.0.0.1", Transport::kUdp);
    if (ConnectTo(fd.get(), "127.0.0.1", 7000) != 0 || test::Echo(fd.get()) != 0) return 1;
    if (!lab_->maps().UnbindTask(lab_->IdOf("acme/web")).ok()) return 2;
    return test::Echo(fd.get());
  });
  EXPECT_EQ(result, EPERM);
}

TEST_F(NetworkWalls, SameTenantTalksOtherTenantIsRefusedAtOnce) {
  Isolate({"acme/web", "acme/db", "evil/web"});
  const TaskProcess server = Echo("acme/db", 7000);
  for (const Way& way : kWays) {
    EXPECT_EQ(ProbeFrom("acme/web", way.address, 7000, way.transport), 0) << way.address;
    EXPECT_EQ(ProbeFrom("evil/web", way.address, 7000, way.transport), EPERM) << way.address;
  }
  EXPECT_GT(Passed("acme/web", kOut, Scope::kSameTenant), 0u);
  EXPECT_GT(Passed("acme/db", kIn, Scope::kSameTenant), 0u);
  EXPECT_EQ(Passed("evil/web", kOut, Scope::kOtherTenant), 0u);
  EXPECT_EQ(Dropped("evil/web", kOut, DropReason::kPolicy), 4u);
}

TEST_F(NetworkWalls, HostProgramsAndTasksTalkUnderIsolate) {
  Isolate({"acme/web"});
  const TaskProcess host = Echo("", 7000);
  const TaskProcess task = Echo("acme/web", 7001);
  for (const Way& way : kWays) {
    EXPECT_EQ(ProbeFrom("acme/web", way.address, 7000, way.transport), 0) << way.address;
    EXPECT_EQ(ProbeFrom("", way.address, 7001, way.transport), 0) << way.address;
  }
  EXPECT_GT(Passed("acme/web", kOut, Scope::kHost), 0u);
}

}  // namespace
}  // namespace bulkhead::test
