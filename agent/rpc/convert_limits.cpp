// Limits: value ↔ proto.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include "agent/rpc/convert.h"
#include "agent/rpc/convert_parts.h"

namespace bulkhead {
namespace {

using google::protobuf::Duration;
using google::protobuf::FieldDescriptor;
using google::protobuf::util::TimeUtil;

constexpr double kMaxCpus = 10'000;  // ValidateLimits checks the same in microseconds; this keeps the product finite
constexpr int64_t kMaxBurstSec = 1'000;  // as above
constexpr int64_t kNsPerUsec = 1'000;
constexpr uint64_t kLeastHugePage = 16'384;

Result<uint64_t> DecodeCpus(double cpus, const std::string& field) {
  if (std::isnan(cpus) || cpus < 0)
    return InvalidArgument(fmt::format("{}: {} is not a number of CPUs: use 2, 0.5 or 500m", field, cpus));
  if (cpus > kMaxCpus)
    return InvalidArgument(fmt::format("{}: {} CPUs is out of range, use 10m to {} CPUs", field, cpus, kMaxCpus));
  return static_cast<uint64_t>(std::llround(cpus * static_cast<double>(kCpuPeriodUsec)));
}

Result<uint64_t> DecodeBurst(const Duration& burst, const std::string& field) {
  if (burst.seconds() < 0 || burst.nanos() < 0 || burst.seconds() > kMaxBurstSec)
    return InvalidArgument(fmt::format("{}: out of range, use 0s to {}s", field, kMaxBurstSec));
  const int64_t ns = TimeUtil::DurationToNanoseconds(burst);
  if (ns % kNsPerUsec != 0) return InvalidArgument(fmt::format("{}: finer than a microsecond", field));
  return static_cast<uint64_t>(ns / kNsPerUsec);
}

Result<IndexSet> DecodeSet(const std::string& text, const std::string& field) {
  auto set = IndexSet::Parse(text);
  if (!set.ok()) return InvalidArgument(fmt::format("{}: \"{}\" is not a list such as 0-3,7", field, Printable(text)));
  return set;
}

// A limit's name is the path of its field: "memory.swap_max".
struct Place {
  const FieldDescriptor* group = nullptr;  // nullptr: the field is one of Limits itself
  const FieldDescriptor* field = nullptr;
};

Place PlaceOf(LimitKind kind) {
  const std::string name = LimitName(kind);
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return {nullptr, v1::Limits::descriptor()->FindFieldByName(name)};
  const FieldDescriptor* group = v1::Limits::descriptor()->FindFieldByName(name.substr(0, dot));
  return {group, group->message_type()->FindFieldByName(name.substr(dot + 1))};
}

Result<LimitValue> DecodeValue(const google::protobuf::Message& message, const FieldDescriptor& field,
                               const std::string& path) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return DecodeCpus(reflection.GetDouble(message, &field), path);
    case FieldDescriptor::CPPTYPE_BOOL:
      return LimitValue(reflection.GetBool(message, &field) ? 1 : 0);
    case FieldDescriptor::CPPTYPE_STRING:
      return DecodeSet(reflection.GetString(message, &field), path);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return DecodeBurst(static_cast<const Duration&>(reflection.GetMessage(message, &field)), path);
    default:
      return LimitValue(reflection.GetUInt64(message, &field));
  }
}

void EncodeValue(const LimitValue& value, google::protobuf::Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(&message, &field,
                                  static_cast<double>(value.number()) / static_cast<double>(kCpuPeriodUsec));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(&message, &field, value.number() != 0);
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(&message, &field, value.set().ToString());
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return reflection.MutableMessage(&message, &field)
          ->CopyFrom(TimeUtil::MicrosecondsToDuration(static_cast<int64_t>(value.number())));
    default:
      return reflection.SetUInt64(&message, &field, value.number());
  }
}

bool IsPlain(LimitKind kind) { return !IsOfDisk(kind) && !IsOfPageSize(kind); }

Result<std::vector<IoLimit>> DecodeIo(const v1::Limits& limits, const std::string& field) {
  std::vector<IoLimit> decoded;
  for (const v1::IoLimits& io : limits.io()) {
    if (!io.disk().empty())
      return InvalidArgument(
          fmt::format("{}.io[{}].disk: is for what the agent reports: name a path", field, decoded.size()));
    IoLimit one{.path = io.path()};
    if (one.path.find_first_of(std::string("\0\n", 2)) != std::string::npos)
      return InvalidArgument(
          fmt::format("{}.io[{}].path: \"{}\" is no path", field, decoded.size(), Printable(one.path)));
    if (io.has_read_bps()) one.read_bps = io.read_bps();
    if (io.has_write_bps()) one.write_bps = io.write_bps();
    if (io.has_read_iops()) one.read_iops = io.read_iops();
    if (io.has_write_iops()) one.write_iops = io.write_iops();
    decoded.push_back(std::move(one));
  }
  return decoded;
}

Status DecodeHugetlb(const v1::Limits& limits, const std::string& field, Limits& values) {
  for (int i = 0; i < limits.hugetlb_size(); ++i) {
    const v1::HugetlbLimits& hugetlb = limits.hugetlb(i);
    const std::string place = fmt::format("{}.hugetlb[{}]", field, i);
    const uint64_t size = hugetlb.page_size();
    if (size < kLeastHugePage || (size & (size - 1)) != 0)
      return InvalidArgument(place + ".page_size: is not a size of huge pages, such as 2MiB");
    if (!hugetlb.has_max()) return InvalidArgument(place + ".max: is not set");
    const LimitId id{LimitKind::kHugetlbMax, size};
    if (values.Has(id)) return InvalidArgument(place + ".page_size: is there twice");
    values.Set(id, hugetlb.max());
  }
  return Ok();
}

constexpr std::pair<const char*, OnShrink> kOnShrink[] = {
    {"reclaim", OnShrink::kReclaim}, {"refuse", OnShrink::kRefuse}, {"force", OnShrink::kForce}};
constexpr int64_t kMaxShrinkSec = 3'600;

Status DecodeShrink(const v1::MemoryLimits& memory, const std::string& field, LimitSpec& decoded) {
  if (!memory.on_shrink().empty()) {
    const auto* known = std::find_if(std::begin(kOnShrink), std::end(kOnShrink),
                                     [&](const auto& entry) { return entry.first == memory.on_shrink(); });
    if (known == std::end(kOnShrink))
      return InvalidArgument(fmt::format("{}.memory.on_shrink: \"{}\" is not known: use reclaim, refuse or force",
                                         field, Printable(memory.on_shrink())));
    decoded.on_shrink = known->second;
  }
  if (!memory.has_shrink_deadline()) return Ok();
  const Duration& deadline = memory.shrink_deadline();
  if (deadline.seconds() < 0 || deadline.nanos() < 0 || deadline.seconds() > kMaxShrinkSec)
    return InvalidArgument(fmt::format("{}.memory.shrink_deadline: out of range, use 0s to 1h", field));
  decoded.shrink_deadline = std::chrono::milliseconds(TimeUtil::DurationToMilliseconds(deadline));
  return Ok();
}

void EncodeShrink(const LimitSpec& spec, v1::Limits& encoded) {
  if (spec.on_shrink != OnShrink::kReclaim)
    for (const auto& [name, value] : kOnShrink)
      if (value == spec.on_shrink) encoded.mutable_memory()->set_on_shrink(name);
  if (spec.shrink_deadline != LimitSpec::kShrinkDeadline)
    *encoded.mutable_memory()->mutable_shrink_deadline() =
        TimeUtil::MillisecondsToDuration(spec.shrink_deadline.count());
}

// Limits come by kind, messages are by disk.
void EncodeDisk(const LimitId& id, uint64_t value, v1::Limits& encoded) {
  const std::string disk = DiskOf(id).ToString();
  v1::IoLimits* io = nullptr;
  for (v1::IoLimits& known : *encoded.mutable_io())
    if (known.disk() == disk) io = &known;
  if (io == nullptr) {
    io = encoded.add_io();
    io->set_disk(disk);
  }
  if (id.kind == LimitKind::kIoReadBps) io->set_read_bps(value);
  if (id.kind == LimitKind::kIoWriteBps) io->set_write_bps(value);
  if (id.kind == LimitKind::kIoReadIops) io->set_read_iops(value);
  if (id.kind == LimitKind::kIoWriteIops) io->set_write_iops(value);
}

void EncodeIo(const IoLimit& io, v1::IoLimits& encoded) {
  encoded.set_path(io.path);
  if (io.read_bps) encoded.set_read_bps(*io.read_bps);
  if (io.write_bps) encoded.set_write_bps(*io.write_bps);
  if (io.read_iops) encoded.set_read_iops(*io.read_iops);
  if (io.write_iops) encoded.set_write_iops(*io.write_iops);
}

}  // namespace

Result<LimitSpec> DecodeLimits(const v1::Limits& limits, const std::string& field) {
  LimitSpec decoded;
  for (const LimitKind kind : kAllLimits) {
    if (!IsPlain(kind)) continue;
    const Place place = PlaceOf(kind);
    const google::protobuf::Message& message =
        place.group ? limits.GetReflection()->GetMessage(limits, place.group) : limits;
    if (!message.GetReflection()->HasField(message, place.field)) continue;
    BULKHEAD_ASSIGN(LimitValue value, DecodeValue(message, *place.field, fmt::format("{}.{}", field, LimitName(kind))));
    decoded.values.Set(kind, std::move(value));
  }
  BULKHEAD_RETURN_IF_ERROR(DecodeHugetlb(limits, field, decoded.values));
  BULKHEAD_ASSIGN(decoded.io, DecodeIo(limits, field));
  BULKHEAD_RETURN_IF_ERROR(DecodeShrink(limits.memory(), field, decoded));
  for (const std::string& name : limits.require()) decoded.require.insert(Printable(name));
  BULKHEAD_RETURN_IF_ERROR(ValidateLimitSpec(decoded, field));
  return decoded;
}

v1::Limits EncodeLimits(const Limits& limits) {
  v1::Limits encoded;
  for (const auto& [id, value] : limits) {
    if (IsOfDisk(id.kind)) {
      EncodeDisk(id, value.number(), encoded);
    } else if (IsOfPageSize(id.kind)) {
      v1::HugetlbLimits& hugetlb = *encoded.add_hugetlb();
      hugetlb.set_page_size(id.of);
      hugetlb.set_max(value.number());
    } else {
      const Place place = PlaceOf(id.kind);
      google::protobuf::Message& message =
          place.group ? *encoded.GetReflection()->MutableMessage(&encoded, place.group) : encoded;
      EncodeValue(value, message, *place.field);
    }
  }
  return encoded;
}

v1::Limits EncodeLimits(const LimitSpec& spec) {
  v1::Limits encoded = EncodeLimits(spec.values);
  for (const IoLimit& io : spec.io) EncodeIo(io, *encoded.add_io());
  EncodeShrink(spec, encoded);
  for (const std::string& name : spec.require) encoded.add_require(name);
  return encoded;
}

}  // namespace bulkhead
