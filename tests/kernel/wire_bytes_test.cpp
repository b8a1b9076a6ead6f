// Bytes and packets are billed as they go on the wire, whatever the kernel handles as one.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <gmock/gmock.h>

#include "tests/kernel/network_walls.h"

namespace bulkhead::test {
namespace {

TEST_F(NetworkWalls, BytesAreThoseOnTheWire) {
  lab_->Bind("acme/web", Compile({}, Baseline::kAllow));
  const TaskProcess server = Echo("", 7000);
  const auto before = lab_->Counters("acme/web").passed[kOut][static_cast<size_t>(Scope::kHost)];
  ASSERT_EQ(lab_->Run("acme/web",
                      [&] {
                        const UniqueFd fd = OpenSocket("127.0.0.1", Transport::kUdp);
                        return SendTo(fd.get(), "127.0.0.1", 7000, std::string(1000, 'x'));
                      }),
            0);
  const auto after = lab_->Counters("acme/web").passed[kOut][static_cast<size_t>(Scope::kHost)];
  EXPECT_EQ(after.packets - before.packets, 1u);
  EXPECT_EQ(after.bytes - before.bytes, 1028u) << "20 bytes of IP, 8 of UDP";
}

// A large send goes through the kernel as one packet and is cut into segments last: each has its own headers.
TEST_F(NetworkWalls, SegmentsAreCountedAsTheyGoOnTheWire) {
  Isolate({"acme/web", "acme/db"});
  const TaskProcess server = Echo("acme/db", 7000);
  ASSERT_EQ(lab_->Run("acme/web",
                      [&] {
                        const UniqueFd fd = OpenSocket("127.0.0.1", Transport::kUdp);
                        const int segment = 1000;
                        if (::setsockopt(fd.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) != 0) return errno;
                        const int sent = SendTo(fd.get(), "127.0.0.1", 7000, std::string(10'000, 'x'));
                        char byte = 0;
                        for (int echo = 0; echo < 10 && sent == 0; ++echo)  // then all have arrived
                          if (!WaitReadable(fd.get(), kPatienceMs) || ::recv(fd.get(), &byte, 1, 0) != 1) return 1;
                        return sent;
                      }),
            0);
  for (const auto& [task, direction] : {std::pair{"acme/web", kOut}, std::pair{"acme/db", kIn}}) {
    const auto passed = lab_->Counters(task).passed[direction][static_cast<size_t>(Scope::kSameTenant)];
    EXPECT_EQ(passed.packets, 10u) << task;
    EXPECT_EQ(passed.bytes, 10u * 1028) << task;
  }
}

TEST_F(NetworkWalls, TcpSegmentsAreCountedAsTheyGoOnTheWire) {
  constexpr size_t kPayload = 1'000'000;
  lab_->Ip(-1, "link set lo mtu 1500");
  Isolate({"acme/web", "acme/db"});
  const TaskProcess server = lab_->Serve("acme/db", [&](const auto& ready) {
    const UniqueFd listener = OpenSocket("127.0.0.1", Transport::kTcp);
    if (BindTo(listener.get(), "127.0.0.1", 7000, Transport::kTcp) != 0) return 1;
    ready();
    if (!WaitReadable(listener.get(), kPatienceMs)) return 2;
    const UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string all(kPayload, 0);
    if (::recv(fd.get(), all.data(), all.size(), MSG_WAITALL) != static_cast<ssize_t>(all.size())) return 3;
    return ::send(fd.get(), "k", 1, MSG_NOSIGNAL) == 1 ? 0 : 4;
  });
  ASSERT_EQ(lab_->Run("acme/web",
                      [&] {
                        const UniqueFd fd = OpenSocket("127.0.0.1", Transport::kTcp);
                        if (ConnectTo(fd.get(), "127.0.0.1", 7000) != 0) return 1;
                        (void)::fcntl(fd.get(), F_SETFL, 0);
                        const std::string all(kPayload, 'x');
                        if (::send(fd.get(), all.data(), all.size(), 0) != static_cast<ssize_t>(all.size())) return 2;
                        char byte = 0;
                        return WaitReadable(fd.get(), kPatienceMs) && ::recv(fd.get(), &byte, 1, 0) == 1 ? 0 : 3;
                      }),
            0);
  const auto passed = lab_->Counters("acme/web").passed[kOut][static_cast<size_t>(Scope::kSameTenant)];
  EXPECT_GE(passed.packets, kPayload / 1448) << "1500 less 20 of IP, 20 of TCP, 12 of timestamps";
  EXPECT_EQ(passed.bytes, kPayload + passed.packets * 52 + 8) << "the SYN has 8 bytes of options more";
}

}  // namespace
}  // namespace bulkhead::test
