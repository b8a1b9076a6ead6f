// Datagrams on one network namespace: ports that change hands, and groups.

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include <gmock/gmock.h>

#include "tests/kernel/network_walls.h"

namespace bulkhead::test {
namespace {

// A flag between this process and those that it forks.
class Signal {
 public:
  void Raise() const {
    const uint64_t one = 1;
    EXPECT_EQ(::write(fd_.get(), &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  }
  bool Await() const {
    uint64_t count = 0;
    return WaitReadable(fd_.get(), kPatienceMs) && ::read(fd_.get(), &count, sizeof(count)) == sizeof(count);
  }

 private:
  UniqueFd fd_{::eventfd(0, EFD_CLOEXEC)};
};

TEST_F(NetworkWalls, PortThatPassesToAnotherTenantEndsTheUdpFlow) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    Isolate({"acme/web", "acme/db", "evil/web"});
    std::optional<TaskProcess> server(Echo("acme/db", 7000));
    const Signal flows, handed_over;
    TaskProcess client = lab_->Start("acme/web", [&] {
      const UniqueFd connected = OpenSocket(address, Transport::kUdp);
      const UniqueFd free = OpenSocket(address, Transport::kUdp);
      if (ConnectTo(connected.get(), address, 7000) != 0 || test::Echo(connected.get()) != 0) return 1;
      if (SendTo(free.get(), address, 7000, "x") != 0 || !WaitReadable(free.get(), kPatienceMs)) return 2;
      flows.Raise();
      if (!handed_over.Await()) return 3;
      if (SendTo(free.get(), address, 7000, "x") != EPERM) return 4;
      return test::Echo(connected.get()) == EPERM ? 0 : 5;
    });
    ASSERT_TRUE(flows.Await());
    server.reset();
    const TaskProcess other = Echo("evil/web", 7000);
    handed_over.Raise();
    EXPECT_EQ(client.Wait(), 0) << address;
    EXPECT_EQ(Passed("evil/web", kIn, Scope::kOtherTenant), 0u) << address;
  }
}

TEST_F(NetworkWalls, PortThatPassesFromAnotherTenantDoesNotOpenTheUdpFlow) {
  Isolate({"acme/web", "acme/db"});
  lab_->Bind("evil/web", Compile({}, Baseline::kAllow));
  const Signal flows, handed_over;
  // The server answers whoever spoke to it: here the same address and port, first its own tenant's, then another's.
  TaskProcess server = lab_->Serve("acme/db", [&](const auto& ready) {
    const UniqueFd fd = OpenSocket("127.0.0.1", Transport::kUdp);
    if (BindTo(fd.get(), "127.0.0.1", 7000, Transport::kUdp) != 0) return 1;
    ready();
    char byte = 0;
    if (!WaitReadable(fd.get(), kPatienceMs) || ::recv(fd.get(), &byte, 1, 0) != 1) return 2;
    flows.Raise();
    if (!handed_over.Await()) return 3;
    return SendTo(fd.get(), "127.0.0.1", 7100, "y") == EPERM && !WaitReadable(fd.get(), 0) ? 0 : 4;
  });
  const auto speak = [] {
    const UniqueFd fd = OpenSocket("127.0.0.1", Transport::kUdp);
    if (BindTo(fd.get(), "127.0.0.1", 7100, Transport::kUdp) != 0) return UniqueFd();
    return SendTo(fd.get(), "127.0.0.1", 7000, "x") == 0 ? UniqueFd(::dup(fd.get())) : UniqueFd();
  };
  ASSERT_EQ(lab_->Run("acme/web", [&] { return speak().valid() && flows.Await() ? 0 : 1; }), 0);
  ASSERT_EQ(lab_->Run("evil/web",
                      [&] {
                        const UniqueFd held = speak();
                        handed_over.Raise();
                        return held.valid() && !WaitReadable(held.get(), kSilenceMs) ? 0 : 1;
                      }),
            0);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_EQ(Passed("acme/db", kIn, Scope::kOtherTenant), 0u);
  EXPECT_GE(Dropped("acme/db", kIn, DropReason::kPolicy), 1u);
}

UniqueFd MulticastSocket(const char* device) {
  UniqueFd fd = OpenSocket("239.1.2.3", Transport::kUdp);
  ip_mreqn request{};
  request.imr_ifindex = static_cast<int>(::if_nametoindex(device));
  ::inet_pton(AF_INET, "239.1.2.3", &request.imr_multiaddr);
  EXPECT_EQ(::setsockopt(fd.get(), IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)), 0);
  EXPECT_EQ(::setsockopt(fd.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)), 0) << errno;
  return fd;
}

// By loopback the sender is stopped, by any other device the copies that come back are.
TEST_F(NetworkWalls, MulticastStaysWithinTheTenant) {
  lab_->Ip(-1, "link set lo multicast on");
  lab_->Ip(-1, "link add walls0 type veth peer name walls1");
  lab_->Ip(-1, "address add 10.77.0.1/24 dev walls0");
  lab_->Ip(-1, "link set walls0 up");
  lab_->Ip(-1, "link set walls1 up");
  Isolate({"acme/web", "acme/db", "evil/web"});
  for (const char* device : {"lo", "walls0"}) {
    const Signal received;
    TaskProcess receiver = lab_->Serve("acme/db", [&](const auto& ready) {
      const UniqueFd fd = MulticastSocket(device);
      if (BindTo(fd.get(), "0.0.0.0", 7000, Transport::kUdp) != 0) return 1;
      ready();
      char first = 0;
      const bool some = WaitReadable(fd.get(), kPatienceMs) && ::recv(fd.get(), &first, 1, 0) == 1;
      received.Raise();
      return some ? first : 2;
    });
    // Refused or not: what counts is what arrives first.
    (void)lab_->Run("evil/web", [&] { return SendTo(MulticastSocket(device).get(), "239.1.2.3", 7000, "e"); });
    EXPECT_EQ(lab_->Run("acme/web",
                        [&] {
                          const UniqueFd fd = MulticastSocket(device);
                          const int sent = SendTo(fd.get(), "239.1.2.3", 7000, "a");
                          // Who sent it is asked of the socket when it arrives.
                          return sent != 0 || received.Await() ? sent : ETIMEDOUT;
                        }),
              0)
        << device;
    EXPECT_EQ(receiver.Wait(), 'a') << device;
  }
  EXPECT_EQ(Passed("acme/db", kIn, Scope::kOtherTenant), 0u);
  EXPECT_GE(Dropped("evil/web", kOut, DropReason::kPolicy), 1u);
  EXPECT_GE(Dropped("acme/db", kIn, DropReason::kPolicy), 1u);
}

}  // namespace
}  // namespace bulkhead::test
