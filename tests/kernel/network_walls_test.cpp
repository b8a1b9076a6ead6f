// Who may talk to whom, and at once or not: what the host network looks like to tasks.

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <gmock/gmock.h>

#include "tests/kernel/network_walls.h"
#include "tests/support/builders.h"

namespace bulkhead::test {
namespace {

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

TEST_F(NetworkWalls, PacketsAreJudgedWhereCallsAreNot) {
  Isolate({"acme/db", "evil/web"});
  const TaskProcess server = Echo("acme/db", 7000);
  // Connected before the rules forbade it, a socket has no call left to be refused: only its packets are.
  lab_->Bind("evil/web", Compile({}, Baseline::kAllow));
  lab_->Bind("acme/db", Compile({}, Baseline::kAllow));
  for (const Way& way : kWays) {
    const int result = lab_->Run("evil/web", [&] {
      const UniqueFd fd = OpenSocket(way.address, way.transport);
      if (ConnectTo(fd.get(), way.address, 7000) != 0 || test::Echo(fd.get()) != 0) return 1;
      lab_->Bind("evil/web", Compile({}));
      return test::Echo(fd.get(), kSilenceMs);
    });
    EXPECT_EQ(result, way.transport == Transport::kUdp ? EPERM : ETIMEDOUT) << way.address;
    lab_->Bind("evil/web", Compile({}, Baseline::kAllow));
  }
  EXPECT_GE(Dropped("evil/web", kOut, DropReason::kPolicy), 4u);
}

TEST_F(NetworkWalls, ReceiverIsProtectedFromSendersThatMaySend) {
  Isolate({"acme/db"});
  lab_->Bind("evil/web", Compile({}, Baseline::kAllow));
  const TaskProcess server = Echo("acme/db", 7000);
  for (const Way& way : kWays)
    EXPECT_EQ(ProbeFrom("evil/web", way.address, 7000, way.transport, kSilenceMs), ETIMEDOUT);
  EXPECT_GE(Dropped("acme/db", kIn, DropReason::kPolicy), 4u);
  EXPECT_EQ(Passed("acme/db", kIn, Scope::kOtherTenant), 0u);
}

TEST_F(NetworkWalls, MetadataServicesAreDenied) {
  Isolate({"acme/web"});
  lab_->Ip(-1, "address add 169.254.169.254/32 dev lo");
  lab_->Ip(-1, "address add 169.254.169.253/32 dev lo");
  const TaskProcess server = Echo("", 80);
  for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
    EXPECT_EQ(ProbeFrom("acme/web", "169.254.169.254", 80, transport), EPERM);
    EXPECT_EQ(ProbeFrom("acme/web", "::ffff:169.254.169.254", 80, transport), EPERM) << "v4-mapped";
    EXPECT_EQ(ProbeFrom("acme/web", "169.254.169.253", 80, transport), 0) << "the address beside it";
  }
}

TEST_F(NetworkWalls, AnswersPassWithoutARuleOfTheirOwn) {
  // web may be reached by nobody and reach all; db the other way round.
  lab_->Bind("acme/web", Compile({Policy("acme", "p").Ingress().Egress({Allow()})}));
  lab_->Bind("acme/db", Compile({Policy("acme", "q").Ingress({Allow()}).Egress()}));
  const TaskProcess db = Echo("acme/db", 7000);
  const TaskProcess web = Echo("acme/web", 7001);
  for (const Way& way : kWays) {
    EXPECT_EQ(ProbeFrom("acme/web", way.address, 7000, way.transport), 0) << way.address;
    EXPECT_EQ(ProbeFrom("acme/db", way.address, 7001, way.transport), EPERM) << way.address;
  }
}

TEST_F(NetworkWalls, UnconnectedSocketMayAnswerOnlyWhoSpokeFirst) {
  lab_->Bind("acme/db", Compile({Policy("acme", "q").Ingress({Allow()}).Egress()}));
  const TaskProcess other = Echo("", 7002);
  const int result = lab_->Run("acme/db", [&] {
    const UniqueFd fd = OpenSocket("127.0.0.1", Transport::kUdp);
    if (BindTo(fd.get(), "127.0.0.1", 7000, Transport::kUdp) != 0) return 1;
    if (SendTo(fd.get(), "127.0.0.1", 7002, "x") != EPERM) return 2;
    return 0;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(NetworkWalls, BindIsRestrictedToTheNamedPorts) {
  lab_->Bind("acme/web", Compile({Policy("acme", "p").Bind({"tcp/9000-9010"})}));
  const auto bind = [&](uint16_t port, Transport transport) {
    return lab_->Run("acme/web",
                     [=] { return BindTo(OpenSocket("127.0.0.1", transport).get(), "127.0.0.1", port, transport); });
  };
  EXPECT_EQ(bind(9000, Transport::kTcp), 0);
  EXPECT_EQ(bind(9010, Transport::kTcp), 0);
  EXPECT_EQ(bind(9011, Transport::kTcp), EPERM);
  EXPECT_EQ(bind(9000, Transport::kUdp), EPERM);
  EXPECT_EQ(bind(0, Transport::kTcp), EPERM) << "any port is not one of these";
  EXPECT_EQ(Dropped("acme/web", kIn, DropReason::kBind), 3u);
}

TEST_F(NetworkWalls, WallsStandWhileNoAgentRunsAndTheNextOneTakesThemOver) {
  Isolate({"acme/web", "acme/db", "evil/web"});
  const TaskProcess server = Echo("acme/db", 7000);
  const std::vector<uint32_t> links = lab_->LinkIds();
  EXPECT_THAT(links, ::testing::SizeIs(9));
  const auto before = lab_->maps().Bindings();
  lab_->CloseMaps();
  EXPECT_EQ(ProbeFrom("evil/web", "127.0.0.1", 7000, Transport::kTcp), EPERM);
  EXPECT_EQ(ProbeFrom("acme/web", "127.0.0.1", 7000, Transport::kTcp), 0);
  ASSERT_THAT(lab_->OpenMaps(), IsOk());
  EXPECT_EQ(lab_->LinkIds(), links) << "the same links with new programs";
  EXPECT_EQ(*lab_->maps().Bindings(), *before);
  EXPECT_THAT(lab_->maps().CheckAttached(), IsOk());
  EXPECT_EQ(ProbeFrom("evil/web", "127.0.0.1", 7000, Transport::kTcp), EPERM);
  EXPECT_EQ(ProbeFrom("acme/web", "127.0.0.1", 7000, Transport::kTcp), 0);
}

TEST_F(NetworkWalls, DetachedProgramIsNoticedAndAttachedAgain) {
  Isolate({"acme/web", "evil/web"});
  const TaskProcess server = Echo("evil/web", 7000);
  lab_->DetachBehind("egress");
  EXPECT_THAT(lab_->maps().CheckAttached(), StatusIs(StatusCode::kFailedPrecondition, ::testing::HasSubstr("egress")));
  ASSERT_THAT(lab_->maps().Attach(), IsOk());
  EXPECT_THAT(lab_->maps().CheckAttached(), IsOk());
  EXPECT_EQ(ProbeFrom("acme/web", "127.0.0.1", 7000, Transport::kUdp), EPERM);
}

TEST_F(NetworkWalls, PolicyThatChangesBackLetsTheEstablishedFlowGoOn) {
  lab_->Bind("acme/web", Compile({}, Baseline::kAllow));
  const TaskProcess server = Echo("", 7000);
  for (const Way& way : kWays) {
    const int result = lab_->Run("acme/web", [&] {
      const UniqueFd fd = OpenSocket(way.address, way.transport);
      if (ConnectTo(fd.get(), way.address, 7000) != 0 || test::Echo(fd.get()) != 0) return 1;
      lab_->Bind("acme/web", Compile({}, Baseline::kDeny));
      if (test::Echo(fd.get(), kSilenceMs) == 0) return 2;
      lab_->Bind("acme/web", Compile({}, Baseline::kAllow));
      return test::Echo(fd.get());
    });
    EXPECT_EQ(result, 0) << way.address;
  }
}

TEST_F(NetworkWalls, AbortRightAfterConnectReachesTheServer) {
  Isolate({"acme/web", "acme/db"});
  const UniqueFd done(::eventfd(0, EFD_CLOEXEC));
  const TaskProcess client = lab_->Start("acme/web", [&] {
    uint64_t go = 0;
    if (::read(done.get(), &go, sizeof(go)) != sizeof(go)) return 1;
    const UniqueFd fd = OpenSocket("127.0.0.1", Transport::kTcp);
    const linger abort{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    return ConnectTo(fd.get(), "127.0.0.1", 7000);
  });
  const int result = lab_->Run("acme/db", [&] {
    const UniqueFd listener = OpenSocket("127.0.0.1", Transport::kTcp);
    if (BindTo(listener.get(), "127.0.0.1", 7000, Transport::kTcp) != 0) return 1;
    const uint64_t go = 1;
    if (::write(done.get(), &go, sizeof(go)) != sizeof(go) || !WaitReadable(listener.get(), kPatienceMs)) return 2;
    const UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char byte = 0;
    if (!WaitReadable(fd.get(), kPatienceMs)) return 3;
    return ::recv(fd.get(), &byte, 1, 0) < 0 ? errno : 0;
  });
  EXPECT_EQ(result, ECONNRESET);
}

}  // namespace
}  // namespace bulkhead::test
