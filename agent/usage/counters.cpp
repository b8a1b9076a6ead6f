#include "agent/usage/counters.h"

namespace bulkhead {
namespace {

constexpr char kVersion = 1;

// LEB128, as protobuf's varint.
void Put(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  uint64_t Take() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) break;
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    broken_ = true;
    return 0;
  }
  bool whole() const { return !broken_ && at_ == bytes_.size(); }

 private:
  const std::string& bytes_;
  size_t at_ = 0;
  bool broken_ = false;
};

}  // namespace

bool SameCounters(const UsageReading& a, const UsageReading& b) {
  bool same = true;
  ForEachCounter(a, b, [&](uint64_t x, uint64_t y) { same = same && x == y; });
  return same;
}

bool WentDown(const UsageTotals& before, const UsageTotals& now) {
  bool down = now.memory_byte_seconds < before.memory_byte_seconds;
  ForEachCounter(before.counters, now.counters, [&](uint64_t was, uint64_t is) { down = down || is < was; });
  return down;
}

std::string EncodeCounters(const UsageRecord& record) {
  std::string out(1, kVersion);
  const auto put = [&out](uint64_t value, uint64_t) { Put(out, value); };
  const UsageReading& counters = record.totals.counters;
  ForEachCounter(counters, counters, put);
  ForEachGauge(counters, counters, put);
  Put(out, record.totals.memory_byte_seconds);
  ForEachCounter(record.carried, record.carried, put);
  Put(out, record.slot);
  return out;
}

Status DecodeCounters(const std::string& bytes, UsageRecord& record) {
  if (bytes.empty() || bytes[0] != kVersion) return MakeStatus(StatusCode::kDataLoss, "counters: unknown version");
  const std::string body = bytes.substr(1);
  Reader reader(body);
  const auto take = [&reader](uint64_t& value, uint64_t&) { value = reader.Take(); };
  UsageReading& counters = record.totals.counters;
  ForEachCounter(counters, counters, take);
  ForEachGauge(counters, counters, take);
  record.totals.memory_byte_seconds = reader.Take();
  ForEachCounter(record.carried, record.carried, take);
  record.slot = static_cast<uint32_t>(reader.Take());
  if (!reader.whole()) return MakeStatus(StatusCode::kDataLoss, "counters: bytes missing or left over");
  return Ok();
}

}  // namespace bulkhead
