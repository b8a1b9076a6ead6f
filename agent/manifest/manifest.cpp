#include "agent/manifest/manifest.h"

#include <algorithm>

#include <fmt/format.h>

#include "agent/manifest/decode.h"
#include "agent/manifest/objects.h"

namespace bulkhead {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The member of the oneof whose message has this name.
const FieldDescriptor* FindKind(const std::string& kind) {
  const Descriptor& object = *v1::Object::descriptor();
  for (int i = 0; i < object.field_count(); ++i)
    if (object.field(i)->message_type()->name() == kind) return object.field(i);
  return nullptr;
}

std::vector<std::string> KindNames() {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(v1::Object::descriptor()->field_count()));
  for (int i = 0; i < v1::Object::descriptor()->field_count(); ++i)
    names.push_back(v1::Object::descriptor()->field(i)->message_type()->name());
  return names;
}

// Takes `kind` out of the document. Null, and a report, when it is missing or unknown.
const FieldDescriptor* TakeKind(YamlNode& document, Report& report) {
  if (document.kind != YamlNode::Kind::kMap) {
    report.Add(document.line, "", "a document must be a mapping that starts with kind:");
    return nullptr;
  }
  const auto found = std::find_if(document.items.begin(), document.items.end(),
                                  [](const YamlNode& item) { return item.key == "kind"; });
  if (found == document.items.end()) {
    report.Add(document.line, "kind", fmt::format("missing: use one of {}", fmt::join(KindNames(), ", ")));
    return nullptr;
  }
  const YamlNode kind = *found;
  document.items.erase(found);
  if (kind.kind != YamlNode::Kind::kScalar) {
    report.Add(kind.line, "kind", fmt::format("not a word: use one of {}", fmt::join(KindNames(), ", ")));
    return nullptr;
  }
  const FieldDescriptor* field = FindKind(kind.text);
  if (!field) report.Add(kind.line, "kind", Quoted(kind.text) + " is not a kind;" + Suggest(kind.text, KindNames()));
  return field;
}

std::string Text(const ProtoMessage& message, const char* field_name) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(field_name);
  return field ? message.GetReflection()->GetString(message, field) : "";
}

// Without these an object cannot even be spoken of.
void RequireNames(const ProtoMessage& message, int line, Report& report) {
  for (const char* name : {"tenant", "name"})
    if (message.GetDescriptor()->FindFieldByName(name) && Text(message, name).empty())
      report.Add(line, name, fmt::format("missing: a {} needs one", message.GetDescriptor()->name()));
}

}  // namespace

std::string NameOf(const v1::Object& object) {
  std::vector<const FieldDescriptor*> kind;
  object.GetReflection()->ListFields(object, &kind);
  if (kind.empty()) return "object";
  const ProtoMessage& message = object.GetReflection()->GetMessage(object, kind.front());
  const std::string tenant = Text(message, "tenant");
  return fmt::format("{} {}{}{}", message.GetDescriptor()->name(), tenant, tenant.empty() ? "" : "/",
                     Text(message, "name"));
}

std::vector<ParsedObject> DecodeObjects(const std::string& text, Report& report) {
  std::vector<ParsedObject> objects;
  for (YamlNode& document : ParseYaml(text, report)) {
    const FieldDescriptor* kind = TakeKind(document, report);
    if (!kind) continue;
    ParsedObject parsed{.object = {}, .file = report.file(), .line = document.line};
    ProtoMessage& message = *parsed.object.GetReflection()->MutableMessage(&parsed.object, kind);
    const size_t errors = report.errors().size();
    DecodeYaml(document, "", message, report);
    if (report.errors().size() == errors) RequireNames(message, document.line, report);
    objects.push_back(std::move(parsed));
  }
  return objects;
}

void ReportDuplicates(const std::vector<ParsedObject>& objects, std::vector<std::string>& errors) {
  std::map<std::string, const ParsedObject*> seen;
  for (const ParsedObject& parsed : objects) {
    const std::string name = NameOf(parsed.object);
    const auto [first, added] = seen.emplace(name, &parsed);
    if (!added)
      errors.push_back(fmt::format("{}:{}: {} is already defined at {}:{}", parsed.file, parsed.line, name,
                                   first->second->file, first->second->line));
  }
}

Result<std::vector<ParsedObject>> ParseObjects(const std::string& text, const std::string& name) {
  Report report(name);
  std::vector<ParsedObject> objects = DecodeObjects(text, report);
  std::vector<std::string> errors = report.errors();
  if (errors.empty()) ReportDuplicates(objects, errors);
  BULKHEAD_RETURN_IF_ERROR(ToStatus(errors));
  return objects;
}

Result<std::vector<v1::Object>> ParseManifest(const std::string& text, const std::string& name) {
  BULKHEAD_ASSIGN(std::vector<ParsedObject> parsed, ParseObjects(text, name));
  return WithoutPlaces(std::move(parsed));
}

std::vector<v1::Object> WithoutPlaces(std::vector<ParsedObject> parsed) {
  std::vector<v1::Object> objects;
  objects.reserve(parsed.size());
  for (ParsedObject& one : parsed) objects.push_back(std::move(one.object));
  return objects;
}

}  // namespace bulkhead
