// Sockets for tests that run in forked processes: addresses as text, errno as result, everything with a time limit.
#pragma once

#include <cstdint>
#include <string>

#include "agent/base/unique_fd.h"

namespace bulkhead::test {

// For what should pass: a guard against hangs. What should not is given less.
inline constexpr int kPatienceMs = 10000;

enum class Transport { kTcp, kUdp };

UniqueFd OpenSocket(const std::string& address, Transport transport);  // family from the address
// 0 or errno. "::" and "0.0.0.0" bind all addresses. TCP listens, too. Port 0 picks one.
int BindTo(int fd, const std::string& address, uint16_t port, Transport transport);
uint16_t PortOf(int fd);
int ConnectTo(int fd, const std::string& address, uint16_t port,
              int timeout_ms = kPatienceMs);  // ETIMEDOUT when silent
int SendTo(int fd, const std::string& address, uint16_t port, const std::string& text);

// Sends a byte and waits for its echo: 0, or the errno of what failed; ETIMEDOUT when nothing came back.
int Probe(const std::string& address, uint16_t port, Transport transport, int timeout_ms = kPatienceMs);
// The two halves of it for a socket that is there already.
int Echo(int fd, int timeout_ms = kPatienceMs);
bool WaitReadable(int fd, int timeout_ms);

// Echoes TCP and UDP on that port until killed; both families on "::" and "0.0.0.0" each. Returns errno at once when a
// bind fails. `ready` is called when all of them listen.
template <typename Ready>
int EchoServer(uint16_t port, const Ready& ready);
int EchoSockets(uint16_t port, UniqueFd (&sockets)[4]);
int EchoLoop(UniqueFd (&sockets)[4]);

template <typename Ready>
int EchoServer(uint16_t port, const Ready& ready) {
  UniqueFd sockets[4];
  if (const int error = EchoSockets(port, sockets); error != 0) return error;
  ready();
  return EchoLoop(sockets);
}

}  // namespace bulkhead::test
