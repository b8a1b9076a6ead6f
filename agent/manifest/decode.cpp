#include "agent/manifest/decode.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include "agent/manifest/quantity.h"
#include "bulkhead/v1/options.pb.h"

namespace bulkhead {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;
using google::protobuf::util::TimeUtil;

template <typename T>
Result<T> ParseInteger(const std::string& text) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range && stop == end) return InvalidArgument(Quoted(text) + " is too large");
  if (error == std::errc() && stop == end) return value;
  if (std::is_unsigned_v<T> && ParseInteger<int64_t>(text).ok())
    return InvalidArgument(Quoted(text) + " is negative: use a whole number from 0");
  return InvalidArgument(Quoted(text) + " is not a whole number");
}

Result<uint64_t> ParseUint64(const std::string& text, v1::Unit unit) {
  return unit == v1::UNIT_BYTES ? ParseBytes(text) : ParseInteger<uint64_t>(text);
}

Result<bool> ParseBool(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  return InvalidArgument(Quoted(text) + " is neither true nor false");
}

Result<std::string> ParseText(const std::string& text) {
  const bool control =
      std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (control) return InvalidArgument(Quoted(text) + " has a control character in it");
  return text;
}

Result<int> ParseEnum(const std::string& text, const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0 && EnumName(*type.value(i)) == text) return type.value(i)->number();
    if (type.value(i)->number() != 0) names.push_back(EnumName(*type.value(i)));
  }
  return InvalidArgument(fmt::format("{} is not known:{}", Quoted(text), Suggest(text, names)));
}

class Decoder {
 public:
  Decoder(Report& report, Lines* lines) : report_(report), lines_(lines) {}

  void DecodeMessage(const YamlNode& node, const std::string& path, ProtoMessage& message) {
    if (!Expect(node, YamlNode::Kind::kMap, path)) return;
    std::set<const FieldDescriptor*> seen;
    for (const YamlNode& item : node.items) {
      const std::string item_path = path.empty() ? item.key : path + "." + item.key;
      const FieldDescriptor* field = FindField(*message.GetDescriptor(), item.key);
      if (!field) {
        report_.Add(item.line, Shown(item_path),
                    "unknown field;" + Suggest(item.key, FieldNames(*message.GetDescriptor())));
        continue;
      }
      if (!seen.insert(field).second && field->name() != field->json_name())
        report_.Add(item.line, item_path, "the same field is there twice, under both of its names");
      DecodeField(item, item_path, message, *field);
    }
  }

 private:
  // A path with a key of the user's in it may hold anything.
  static std::string Shown(const std::string& path) {
    const std::string quoted = Quoted(path);
    return quoted.substr(1, quoted.rfind('"') - 1);
  }

  bool Expect(const YamlNode& node, YamlNode::Kind kind, const std::string& path) {
    if (node.kind == kind) return true;
    static const char* const kNames[] = {"nothing", "a single value", "a list", "a mapping"};
    const auto name = [](YamlNode::Kind k) { return kNames[static_cast<size_t>(k)]; };
    if (node.kind == YamlNode::Kind::kNull)
      report_.Add(node.line, path, "has no value: give one or leave the field out");
    else if (node.kind == YamlNode::Kind::kScalar)
      report_.Add(node.line, path,
                  fmt::format("{} is {}, but {} is needed", Quoted(node.text), name(node.kind), name(kind)));
    else
      report_.Add(node.line, path, fmt::format("this is {}, but {} is needed", name(node.kind), name(kind)));
    return false;
  }

  void DecodeField(const YamlNode& node, const std::string& path, ProtoMessage& message, const FieldDescriptor& field) {
    if (lines_) lines_->emplace(path, node.line);
    if (field.is_map()) return DecodeMap(node, path, message, field);
    if (field.is_repeated()) return DecodeList(node, path, message, field);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && IsListMessage(*field.message_type())) {
      if (!Expect(node, YamlNode::Kind::kList, path)) return;
      ProtoMessage& list = *message.GetReflection()->MutableMessage(&message, &field);
      return DecodeList(node, path, list, *list.GetDescriptor()->field(0));
    }
    DecodeValue(node, path, message, field);
  }

  void DecodeList(const YamlNode& node, const std::string& path, ProtoMessage& message, const FieldDescriptor& field) {
    if (!Expect(node, YamlNode::Kind::kList, path)) return;
    for (size_t i = 0; i < node.items.size(); ++i)
      DecodeValue(node.items[i], fmt::format("{}[{}]", path, i), message, field);
  }

  void DecodeMap(const YamlNode& node, const std::string& path, ProtoMessage& message, const FieldDescriptor& field) {
    if (!Expect(node, YamlNode::Kind::kMap, path)) return;
    for (const YamlNode& item : node.items) {
      ProtoMessage& entry = *message.GetReflection()->AddMessage(&message, &field);
      const std::string item_path = path + "." + item.key;
      YamlNode key{.kind = YamlNode::Kind::kScalar, .line = item.line, .text = item.key};
      DecodeValue(key, Shown(item_path), entry, *field.message_type()->map_key());
      DecodeValue(item, Shown(item_path), entry, *field.message_type()->map_value());
    }
  }

  // One value, of a singular field or to be added to a repeated one.
  void DecodeValue(const YamlNode& node, const std::string& path, ProtoMessage& message, const FieldDescriptor& field) {
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      if (Expect(node, YamlNode::Kind::kScalar, path)) DecodeScalar(node, path, message, field);
      return;
    }
    const bool scalar = IsScalarMessage(*field.message_type());
    if (!Expect(node, scalar ? YamlNode::Kind::kScalar : YamlNode::Kind::kMap, path)) return;
    const Reflection& reflection = *message.GetReflection();
    ProtoMessage& value =
        field.is_repeated() ? *reflection.AddMessage(&message, &field) : *reflection.MutableMessage(&message, &field);
    if (scalar)
      DecodeTime(node, path, value);
    else
      DecodeMessage(node, path, value);
  }

  void DecodeTime(const YamlNode& node, const std::string& path, ProtoMessage& message) {
    if (message.GetDescriptor() == google::protobuf::Duration::descriptor()) {
      const auto duration = ParseDuration(node.text);
      if (!duration.ok()) return report_.Add(node.line, path, Message(duration.status()));
      message.CopyFrom(TimeUtil::NanosecondsToDuration(duration->count()));
      return;
    }
    google::protobuf::Timestamp time;
    if (!TimeUtil::FromString(node.text, &time))
      return report_.Add(node.line, path, Quoted(node.text) + " is not a time: use 2026-01-31T12:00:00Z");
    message.CopyFrom(time);
  }

  void DecodeScalar(const YamlNode& node, const std::string& path, ProtoMessage& message,
                    const FieldDescriptor& field) {
    const v1::Unit unit = field.options().GetExtension(v1::unit);
    const auto put = [&](const auto& value, auto set, auto add) {
      if (!value.ok()) return report_.Add(node.line, path, Message(value.status()));
      (message.GetReflection()->*(field.is_repeated() ? add : set))(&message, &field, *value);
    };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_UINT64:
        return put(ParseUint64(node.text, unit), &Reflection::SetUInt64, &Reflection::AddUInt64);
      case FieldDescriptor::CPPTYPE_UINT32:
        return put(ParseInteger<uint32_t>(node.text), &Reflection::SetUInt32, &Reflection::AddUInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return put(ParseInteger<int64_t>(node.text), &Reflection::SetInt64, &Reflection::AddInt64);
      case FieldDescriptor::CPPTYPE_INT32:
        return put(ParseInteger<int32_t>(node.text), &Reflection::SetInt32, &Reflection::AddInt32);
      case FieldDescriptor::CPPTYPE_DOUBLE:  // every fraction in the schema is a number of CPUs so far
        return put(ParseCpus(node.text), &Reflection::SetDouble, &Reflection::AddDouble);
      case FieldDescriptor::CPPTYPE_BOOL:
        return put(ParseBool(node.text), &Reflection::SetBool, &Reflection::AddBool);
      case FieldDescriptor::CPPTYPE_ENUM:
        return put(ParseEnum(node.text, *field.enum_type()), &Reflection::SetEnumValue, &Reflection::AddEnumValue);
      case FieldDescriptor::CPPTYPE_STRING:
        return put(ParseText(node.text), &Reflection::SetString, &Reflection::AddString);
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    report_.Add(node.line, path, fmt::format("a {} cannot be written in YAML", field.cpp_type_name()));
  }

  Report& report_;
  Lines* lines_;
};

}  // namespace

void DecodeYaml(const YamlNode& node, const std::string& path, ProtoMessage& message, Report& report, Lines* lines) {
  Decoder(report, lines).DecodeMessage(node, path, message);
}

const FieldDescriptor* FindField(const Descriptor& message, const std::string& name) {
  for (int i = 0; i < message.field_count(); ++i)
    if (message.field(i)->name() == name || message.field(i)->json_name() == name) return message.field(i);
  return nullptr;
}

std::vector<std::string> FieldNames(const Descriptor& message) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(message.field_count()));
  for (int i = 0; i < message.field_count(); ++i) names.push_back(message.field(i)->name());
  return names;
}

bool IsListMessage(const Descriptor& message) { return message.options().GetExtension(v1::list); }

bool IsScalarMessage(const Descriptor& message) {
  return &message == google::protobuf::Duration::descriptor() || &message == google::protobuf::Timestamp::descriptor();
}

std::string EnumName(const EnumValueDescriptor& value) {
  // The zero value is PREFIX_UNSPECIFIED (buf STANDARD), so it tells the prefix.
  const std::string& zero = value.type()->value(0)->name();
  const size_t prefix = zero.size() - std::min(zero.size(), std::string("UNSPECIFIED").size());
  std::string name = value.name().substr(std::min(prefix, value.name().size()));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return name;
}

}  // namespace bulkhead
