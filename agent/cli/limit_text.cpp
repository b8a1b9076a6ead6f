#include "agent/cli/limit_text.h"

#include <fmt/format.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/util/time_util.h>

#include "agent/cli/render.h"
#include "agent/manifest/quantity.h"
#include "bulkhead/v1/options.pb.h"

namespace bulkhead::cli {
namespace {

using google::protobuf::FieldDescriptor;
using ProtoMessage = google::protobuf::Message;

std::string ValueText(const ProtoMessage& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Cpus(reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "yes" : "no";
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const auto& duration = static_cast<const google::protobuf::Duration&>(reflection.GetMessage(message, &field));
      return FormatDuration(
          std::chrono::nanoseconds(google::protobuf::util::TimeUtil::DurationToNanoseconds(duration)));
    }
    default:
      break;
  }
  const uint64_t number = reflection.GetUInt64(message, &field);
  return field.options().GetExtension(v1::unit) == v1::UNIT_BYTES ? Bytes(number) : fmt::format("{}", number);
}

bool IsGroup(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type() != google::protobuf::Duration::descriptor();
}

void AddLines(const ProtoMessage& message, const std::string& prefix,
              std::vector<std::pair<std::string, std::string>>& lines) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) continue;  // require, and what is per disk or page size
    if (IsGroup(*field))
      AddLines(message.GetReflection()->GetMessage(message, field), prefix + field->name() + ".", lines);
    else
      lines.emplace_back(prefix + field->name(), ValueText(message, *field));
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> LimitLines(const v1::Limits& limits) {
  std::vector<std::pair<std::string, std::string>> lines;
  AddLines(limits, "", lines);
  for (const v1::IoLimits& io : limits.io()) {
    std::vector<std::pair<std::string, std::string>> of_disk;
    AddLines(io, "io.", of_disk);
    const std::string& disk = io.disk().empty() ? io.path() : io.disk();
    for (const auto& [name, value] : of_disk) {
      if (name == "io.disk" || name == "io.path") continue;
      lines.emplace_back(name, fmt::format("{}{} on {}", value, name.ends_with("_bps") ? "/s" : " op/s", disk));
    }
  }
  for (const v1::HugetlbLimits& hugetlb : limits.hugetlb())
    lines.emplace_back("hugetlb.max",
                       fmt::format("{} in pages of {}", Bytes(hugetlb.max()), Bytes(hugetlb.page_size())));
  return lines;
}

std::string OverText(const v1::OverCommit& commit) {
  if (commit.tenant() == 0) return commit.limit() + " of 0";
  return fmt::format("{} {:.1f}x", commit.limit(),
                     static_cast<double>(commit.tasks()) / static_cast<double>(commit.tenant()));
}

}  // namespace bulkhead::cli
