#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "agent/manifest/decode.h"
#include "agent/manifest/manifest.h"

namespace bulkhead {
namespace {

using google::protobuf::FieldDescriptor;

bool IsText(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING && !field.is_repeated();
}

// The value as a tree. Text is taken as it stands; everything else may be in flow style.
Result<YamlNode> ParseValue(const std::string& value, bool text, const std::string& path) {
  YamlNode scalar{.kind = YamlNode::Kind::kScalar, .text = value};
  if (text) return scalar;
  Report report("");
  std::vector<YamlNode> documents = ParseYaml(value, report);
  if (!report.ok()) return InvalidArgument(fmt::format("{}: {}", path, report.errors().front()));
  if (documents.size() > 1) return InvalidArgument(fmt::format("{}: {} is more than one value", path, Quoted(value)));
  return documents.empty() ? YamlNode{} : documents.front();
}

void AddPaths(const google::protobuf::Descriptor& message, const std::string& before, std::vector<std::string>& paths) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string path = before + field.name();
    const bool leaf = field.is_repeated() || field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
                      IsScalarMessage(*field.message_type()) || IsListMessage(*field.message_type());
    if (field.is_map()) {
      paths.push_back(path + ".");
    } else if (leaf) {
      paths.push_back(path);
    } else {
      AddPaths(*field.message_type(), path + ".", paths);
    }
  }
}

}  // namespace

std::vector<std::string> SettableFields(const google::protobuf::Descriptor& message) {
  std::vector<std::string> paths;
  AddPaths(message, "", paths);
  return paths;
}

Status SetField(ProtoMessage& message, const std::string& path, const std::string& value) {
  if (path.empty()) return InvalidArgument("the path of the field to set is empty: write limits.memory.max");
  const std::unique_ptr<ProtoMessage> changed(message.New());
  changed->CopyFrom(message);
  // The path becomes a tree of mappings with the value at its end, and that is read like any manifest.
  YamlNode root{.kind = YamlNode::Kind::kMap};
  YamlNode* at = &root;
  ProtoMessage* owner = changed.get();
  bool text = false;
  for (std::string rest = path; !rest.empty();) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    at->kind = YamlNode::Kind::kMap;
    at = &at->items.emplace_back();
    at->key = rest.substr(0, dot);
    rest = rest.substr(std::min(dot + 1, rest.size()));
    const FieldDescriptor* field = FindField(*owner->GetDescriptor(), at->key);
    if (!field) break;  // the decoder says so
    const bool last = rest.empty();
    if (last && field->is_repeated()) owner->GetReflection()->ClearField(owner, field);  // set, not add
    if (last && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated())
      owner->GetReflection()->ClearField(owner, field);
    text = IsText(*field);
    if (last) break;
    if (field->is_map()) {  // the rest is one key, dots and all
      at->kind = YamlNode::Kind::kMap;
      at = &at->items.emplace_back();
      at->key = rest;
      text = IsText(*field->message_type()->map_value());
      break;
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated() ||
        IsScalarMessage(*field->message_type()) || IsListMessage(*field->message_type()))
      return InvalidArgument(fmt::format("{}: {} has no fields of its own", path, at->key));
    owner = owner->GetReflection()->MutableMessage(owner, field);
  }
  BULKHEAD_ASSIGN(YamlNode parsed, ParseValue(value, text, path));
  parsed.key = at->key;
  *at = std::move(parsed);
  Report report("");
  DecodeYaml(root, "", *changed, report);
  BULKHEAD_RETURN_IF_ERROR(ToStatus(report.errors()));
  message.CopyFrom(*changed);
  return Ok();
}

}  // namespace bulkhead
