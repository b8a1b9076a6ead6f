#include "tests/support/packets.h"

#include "tests/support/builders.h"

namespace bulkhead::test {
namespace {

void Put16(Bytes& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

void Append(Bytes& to, const Bytes& from) { to.insert(to.end(), from.begin(), from.end()); }

void PutAddress(Bytes& bytes, const IpAddress& address) {
  const std::ptrdiff_t length = address.family == Family::kV4 ? 4 : 16;
  bytes.insert(bytes.end(), address.bytes.begin(), address.bytes.begin() + length);
}

}  // namespace

Packet::Packet(const std::string& source, const std::string& destination)
    : Packet(Address(source), Address(destination)) {}

Packet& Packet::Extension(uint8_t type, const Bytes& bytes) {
  extensions_.push_back({type, bytes});
  return *this;
}

Bytes Packet::Raw(uint8_t protocol, const Bytes& payload) const {
  Bytes out;
  if (source_.family == Family::kV4) {
    out.push_back(static_cast<uint8_t>(0x40 | (5 + options_.size() / 4)));
    out.push_back(0);
    Put16(out, 20 + options_.size() + payload.size());
    Put16(out, 0);
    Put16(out, fragment_);
    out.push_back(64);
    out.push_back(protocol);
    Put16(out, 0);
    PutAddress(out, source_);
    PutAddress(out, destination_);
    Append(out, options_);
    Append(out, payload);
    return out;
  }
  Bytes chain;
  for (size_t i = 0; i < extensions_.size(); ++i) {
    chain.push_back(i + 1 < extensions_.size() ? extensions_[i + 1].type : protocol);
    Append(chain, extensions_[i].bytes);
  }
  out = {0x60, 0, 0, 0};
  Put16(out, chain.size() + payload.size());
  out.push_back(extensions_.empty() ? protocol : extensions_[0].type);
  out.push_back(64);
  PutAddress(out, source_);
  PutAddress(out, destination_);
  Append(out, chain);
  Append(out, payload);
  return out;
}

Bytes Packet::Tcp(uint16_t from, uint16_t to, uint8_t flags) const {
  Bytes header;
  Put16(header, from);
  Put16(header, to);
  header.resize(12);
  header.push_back(0x50);
  header.push_back(flags);
  header.resize(20);
  return Raw(6, header);
}

Bytes Packet::Udp(uint16_t from, uint16_t to) const {
  Bytes header;
  Put16(header, from);
  Put16(header, to);
  Put16(header, 8);
  Put16(header, 0);
  return Raw(17, header);
}

Bytes Packet::Icmp() const {
  const bool four = source_.family == Family::kV4;
  return Raw(four ? 1 : 58, {static_cast<uint8_t>(four ? 8 : 128), 0, 0, 0, 0, 1, 0, 1});
}

}  // namespace bulkhead::test
