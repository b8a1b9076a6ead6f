#include "tests/unit/proto/schema.h"

#include <algorithm>
#include <fstream>
#include <map>

#include <fmt/format.h>

#include "bulkhead/v1/options.pb.h"

namespace bulkhead {
namespace {

namespace pb = google::protobuf;

std::string TypeOf(const pb::FieldDescriptorProto& field) {
  if (!field.type_name().empty()) return field.type_name().substr(1);    // ".bulkhead.v1.Limits"
  std::string name = pb::FieldDescriptorProto::Type_Name(field.type());  // "TYPE_UINT64"
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return name.substr(std::string("type_").size());
}

std::string FieldForm(const pb::FieldDescriptorProto& field, const pb::DescriptorProto* message) {
  std::string form;
  if (field.label() == pb::FieldDescriptorProto::LABEL_REPEATED)
    form = "repeated ";
  else if (field.proto3_optional())
    form = "optional ";
  else if (field.has_oneof_index() && message)
    form = fmt::format("oneof {} ", message->oneof_decl(field.oneof_index()).name());
  form += TypeOf(field) + " " + field.name();
  if (field.json_name() != field.name() && !field.json_name().empty()) form += " json=" + field.json_name();
  if (field.options().HasExtension(v1::unit)) form += " unit=" + v1::Unit_Name(field.options().GetExtension(v1::unit));
  return form;
}

void DescribeEnum(const pb::EnumDescriptorProto& type, const std::string& scope, const std::string& file, Lines& out) {
  const std::string name = scope + "." + type.name();
  out.push_back(fmt::format("enum {}: {}", name, file));
  for (const auto& value : type.value())
    out.push_back(fmt::format("value {} {}: {}", name, value.number(), value.name()));
  for (const auto& range : type.reserved_range())
    out.push_back(fmt::format("reserved {} {}-{}: number", name, range.start(), range.end()));
}

void DescribeMessage(const pb::DescriptorProto& type, const std::string& scope, const std::string& file, Lines& out) {
  const std::string name = scope + "." + type.name();
  const bool list = type.options().GetExtension(v1::list);
  out.push_back(fmt::format("message {}: {}{}", name, file, list ? " list" : ""));
  for (const auto& field : type.field())
    out.push_back(fmt::format("field {} {}: {}", name, field.number(), FieldForm(field, &type)));
  for (const auto& range : type.reserved_range())  // the end is exclusive here
    out.push_back(fmt::format("reserved {} {}-{}: number", name, range.start(), range.end() - 1));
  for (const auto& nested : type.nested_type()) DescribeMessage(nested, name, file, out);
  for (const auto& nested : type.enum_type()) DescribeEnum(nested, name, file, out);
}

void DescribeService(const pb::ServiceDescriptorProto& type, const std::string& scope, const std::string& file,
                     Lines& out) {
  const std::string name = scope + "." + type.name();
  out.push_back(fmt::format("service {}: {}", name, file));
  for (const auto& rpc : type.method())
    out.push_back(fmt::format("rpc {}.{}: {}{} returns {}{}", name, rpc.name(), rpc.client_streaming() ? "stream " : "",
                              rpc.input_type().substr(1), rpc.server_streaming() ? "stream " : "",
                              rpc.output_type().substr(1)));
}

using Elements = std::map<std::string, std::string>;  // "field bulkhead.v1.Task 2" → "string name"

Elements Split(const Lines& lines) {
  Elements elements;
  for (const std::string& line : lines) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) elements[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return elements;
}

// "field bulkhead.v1.Task 2" with form "string name": is it there under another number?
std::string NewPlaceOf(const std::string& key, const std::string& form, const Elements& now) {
  const size_t space = key.rfind(' ');
  if (!key.starts_with("field ") && !key.starts_with("value ")) return "";
  for (const auto& [other, other_form] : now)
    if (other_form == form && other.substr(0, other.rfind(' ')) == key.substr(0, space))
      return fmt::format(" (it has number {} now)", other.substr(other.rfind(' ') + 1));
  return "";
}

}  // namespace

FileSet LoadOwnFiles(const std::string& path) {
  FileSet all;
  std::ifstream file(path, std::ios::binary);
  if (!all.ParseFromIstream(&file)) return {};
  FileSet own;
  for (const auto& one : all.file())
    if (one.package().starts_with("bulkhead.")) *own.add_file() = one;
  return own;
}

Lines Describe(const FileSet& files) {
  Lines lines;
  for (const auto& file : files.file()) {
    for (const auto& type : file.message_type()) DescribeMessage(type, file.package(), file.name(), lines);
    for (const auto& type : file.enum_type()) DescribeEnum(type, file.package(), file.name(), lines);
    for (const auto& type : file.service()) DescribeService(type, file.package(), file.name(), lines);
    for (const auto& field : file.extension())
      lines.push_back(
          fmt::format("field {} {}: {}", field.extendee().substr(1), field.number(), FieldForm(field, nullptr)));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

Lines BreakingChanges(const Lines& golden, const Lines& now) {
  const Elements promised = Split(golden);
  const Elements present = Split(now);
  Lines changes;
  for (const auto& [key, form] : promised) {
    const auto found = present.find(key);
    if (found == present.end())
      changes.push_back(fmt::format("removed: {}: {}{}", key, form, NewPlaceOf(key, form, present)));
    else if (found->second != form)
      changes.push_back(fmt::format("changed: {}: {} → {}", key, form, found->second));
  }
  return changes;
}

}  // namespace bulkhead
