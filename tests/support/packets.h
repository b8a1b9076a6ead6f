// Packets as bytes, from layer 3 on: Packet("10.0.0.1", "10.0.0.2").Tcp(40000, 80, kSyn).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/model/ip_prefix.h"

namespace bulkhead::test {

inline constexpr uint8_t kSyn = 0x02;
inline constexpr uint8_t kRst = 0x04;
inline constexpr uint8_t kAck = 0x10;

using Bytes = std::vector<uint8_t>;

class Packet {
 public:
  // Family from the addresses.
  Packet(const IpAddress& source, const IpAddress& destination) : source_(source), destination_(destination) {}
  Packet(const std::string& source, const std::string& destination);

  Packet& Options(const Bytes& options) { return options_ = options, *this; }  // IPv4; a multiple of 4 bytes
  // IPv6; `bytes` with their own length field, without the next-header byte, which is filled in.
  Packet& Extension(uint8_t type, const Bytes& bytes);
  Packet& FragmentField(uint16_t field) { return fragment_ = field, *this; }  // IPv4: flags and offset

  Bytes Tcp(uint16_t from, uint16_t to, uint8_t flags) const;
  Bytes Udp(uint16_t from, uint16_t to) const;
  Bytes Icmp() const;  // an echo request of the family
  Bytes Raw(uint8_t protocol, const Bytes& payload) const;

 private:
  struct Header {
    uint8_t type;
    Bytes bytes;
  };
  IpAddress source_;
  IpAddress destination_;
  Bytes options_;
  std::vector<Header> extensions_;
  uint16_t fragment_ = 0;
};

}  // namespace bulkhead::test
