#include <algorithm>
#include <cctype>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include "agent/manifest/decode.h"
#include "agent/manifest/manifest.h"
#include "agent/manifest/quantity.h"
#include "bulkhead/v1/options.pb.h"

namespace bulkhead {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::util::TimeUtil;
using Text = std::vector<std::string>;  // lines

// Words that a YAML reader could take for something else.
bool IsPlainSafe(const std::string& text) {
  static const char* const kWords[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '_' || c == '-' || c == '.';
  };
  if (text.empty() || !std::all_of(text.begin(), text.end(), plain)) return false;
  if (std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords)) return false;
  // A digit first may start a number or a date, but neither has a slash in it.
  const auto first = static_cast<unsigned char>(text.front());
  return std::isalpha(first) || first == '/' || (std::isdigit(first) && text.find('/') != std::string::npos);
}

std::string Scalar(const std::string& text) {
  if (IsPlainSafe(text)) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      quoted += std::string{'\\', c};
    else if (byte < 0x20 || byte == 0x7f)
      quoted += fmt::format("\\x{:02x}", byte);
    else
      quoted += c;
  }
  return quoted + "\"";
}

std::string Double(double value, v1::Unit unit) {
  return unit == v1::UNIT_CPUS ? FormatCpus(value) : fmt::format("{}", value);
}

// One value of a field that is no message; index -1 for a singular field.
std::string Value(const ProtoMessage& message, const FieldDescriptor& field, int index) {
  const auto& r = *message.GetReflection();
  const v1::Unit unit = field.options().GetExtension(v1::unit);
  const bool one = index < 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT64: {
      const uint64_t value = one ? r.GetUInt64(message, &field) : r.GetRepeatedUInt64(message, &field, index);
      return unit == v1::UNIT_BYTES ? FormatBytes(value) : std::to_string(value);
    }
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(one ? r.GetUInt32(message, &field) : r.GetRepeatedUInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(one ? r.GetInt64(message, &field) : r.GetRepeatedInt64(message, &field, index));
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(one ? r.GetInt32(message, &field) : r.GetRepeatedInt32(message, &field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Double(one ? r.GetDouble(message, &field) : r.GetRepeatedDouble(message, &field, index), unit);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return fmt::format("{}", one ? r.GetFloat(message, &field) : r.GetRepeatedFloat(message, &field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? r.GetBool(message, &field) : r.GetRepeatedBool(message, &field, index)) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = one ? r.GetEnumValue(message, &field) : r.GetRepeatedEnumValue(message, &field, index);
      const auto* value = field.enum_type()->FindValueByNumber(number);
      return value ? Scalar(EnumName(*value)) : std::to_string(number);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return Scalar(one ? r.GetString(message, &field) : r.GetRepeatedString(message, &field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return "{}";
}

std::string Time(const ProtoMessage& message) {
  if (message.GetDescriptor() == google::protobuf::Duration::descriptor()) {
    google::protobuf::Duration duration;
    duration.CopyFrom(message);
    return FormatDuration(std::chrono::nanoseconds(TimeUtil::DurationToNanoseconds(duration)));
  }
  google::protobuf::Timestamp time;
  time.CopyFrom(message);
  return Scalar(TimeUtil::ToString(time));
}

Text Block(const ProtoMessage& message);

void AppendIndented(const Text& lines, const std::string& first, const std::string& rest, Text& out) {
  for (size_t i = 0; i < lines.size(); ++i) out.push_back((i == 0 ? first : rest) + lines[i]);
}

void AppendMap(const ProtoMessage& message, const FieldDescriptor& field, Text& out) {
  const auto& r = *message.GetReflection();
  Text entries;
  for (int i = 0; i < r.FieldSize(message, &field); ++i) {
    const ProtoMessage& entry = r.GetRepeatedMessage(message, &field, i);
    const std::string key = Value(entry, *field.message_type()->map_key(), -1);
    const FieldDescriptor& value = *field.message_type()->map_value();
    if (value.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      entries.push_back(key + ": " + Value(entry, value, -1));
      continue;
    }
    const Text block = Block(entry.GetReflection()->GetMessage(entry, &value));
    entries.push_back(block.empty() ? key + ": {}" : key + ":");
    AppendIndented(block, "  ", "  ", entries);
  }
  std::sort(entries.begin(), entries.end());  // maps have no order; people and diffs want one
  out.push_back(field.name() + ":");
  AppendIndented(entries, "  ", "  ", out);
}

void AppendList(const std::string& name, const ProtoMessage& message, const FieldDescriptor& field, Text& out) {
  const auto& r = *message.GetReflection();
  const int size = r.FieldSize(message, &field);
  if (size == 0 || field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    Text values;
    values.reserve(static_cast<size_t>(size));
    for (int i = 0; i < size; ++i) values.push_back(Value(message, field, i));
    out.push_back(fmt::format("{}: [{}]", name, fmt::join(values, ", ")));
    return;
  }
  out.push_back(name + ":");
  for (int i = 0; i < size; ++i) {
    const ProtoMessage& item = r.GetRepeatedMessage(message, &field, i);
    Text block = IsScalarMessage(*item.GetDescriptor()) ? Text{Time(item)} : Block(item);
    if (block.empty()) block = {"{}"};
    AppendIndented(block, "  - ", "    ", out);
  }
}

void AppendField(const ProtoMessage& message, const FieldDescriptor& field, Text& out) {
  if (field.is_map()) return AppendMap(message, field, out);
  if (field.is_repeated()) return AppendList(field.name(), message, field, out);
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    out.push_back(field.name() + ": " + Value(message, field, -1));
    return;
  }
  const ProtoMessage& value = message.GetReflection()->GetMessage(message, &field);
  if (IsListMessage(*value.GetDescriptor()))
    return AppendList(field.name(), value, *value.GetDescriptor()->field(0), out);
  if (IsScalarMessage(*value.GetDescriptor())) {
    out.push_back(field.name() + ": " + Time(value));
    return;
  }
  const Text block = Block(value);
  out.push_back(field.name() + (block.empty() ? ": {}" : ":"));
  AppendIndented(block, "  ", "  ", out);
}

// The fields that are set, one or more lines each, in order of their numbers.
Text Block(const ProtoMessage& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  Text lines;
  for (const FieldDescriptor* field : fields) AppendField(message, *field, lines);
  return lines;
}

}  // namespace

std::string ToYaml(const ProtoMessage& message) {
  const Text lines = Block(message);
  return lines.empty() ? "{}\n" : fmt::format("{}\n", fmt::join(lines, "\n"));
}

std::string ToYaml(const v1::Object& object) {
  std::vector<const FieldDescriptor*> kind;
  object.GetReflection()->ListFields(object, &kind);
  if (kind.empty()) return "{}\n";
  const ProtoMessage& message = object.GetReflection()->GetMessage(object, kind.front());
  const Text lines = Block(message);
  return fmt::format("kind: {}\n{}{}", message.GetDescriptor()->name(), fmt::join(lines, "\n"),
                     lines.empty() ? "" : "\n");
}

}  // namespace bulkhead
