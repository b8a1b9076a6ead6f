#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include "bulkhead/v1/options.pb.h"
#include "tests/unit/proto/schema.h"

namespace bulkhead {
namespace {

namespace pb = google::protobuf;

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsPascal(const std::string& name) {
  return !name.empty() && IsUpper(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) { return IsUpper(c) || IsLower(c) || IsDigit(c); });
}

bool IsSnake(const std::string& name) {
  return !name.empty() && IsLower(name[0]) && name.back() != '_' && name.find("__") == std::string::npos &&
         std::all_of(name.begin(), name.end(), [](char c) { return IsLower(c) || IsDigit(c) || c == '_'; });
}

// "ApplyOutcome" → "APPLY_OUTCOME_".
std::string ValuePrefix(const std::string& enum_name) {
  std::string prefix;
  for (size_t i = 0; i < enum_name.size(); ++i) {
    if (i > 0 && IsUpper(enum_name[i])) prefix += '_';
    prefix += static_cast<char>(IsLower(enum_name[i]) ? enum_name[i] - 'a' + 'A' : enum_name[i]);
  }
  return prefix + "_";
}

class Linter {
 public:
  Lines Take() { return std::move(findings_); }

  void CheckFile(const pb::FileDescriptor& file) {
    std::string folder = file.package();
    std::replace(folder.begin(), folder.end(), '.', '/');
    const std::string stem = file.name().substr(file.name().rfind('/') + 1);
    if (file.name().substr(0, file.name().rfind('/')) != folder)
      Say(file.name(), "must lie in a folder like its package " + file.package());
    if (!IsSnake(stem.substr(0, stem.rfind('.')))) Say(file.name(), "must be lower_snake_case");
    if (!file.package().ends_with(".v1")) Say(file.name(), "its package must end with a version");
    if (file.syntax() != pb::FileDescriptor::SYNTAX_PROTO3) Say(file.name(), "must be proto3");
    for (int i = 0; i < file.message_type_count(); ++i) CheckMessage(*file.message_type(i));
    for (int i = 0; i < file.enum_type_count(); ++i) CheckEnum(*file.enum_type(i));
    for (int i = 0; i < file.service_count(); ++i) CheckService(*file.service(i));
    for (int i = 0; i < file.extension_count(); ++i) NeedComment(*file.extension(i));
    CheckImports(file);
  }

  // After all files: one request and one response belong to one rpc.
  void CheckSharing() {
    for (const auto& [name, users] : users_)
      if (users > 1) Say(name, "is used by more than one rpc");
  }

 private:
  void Say(const std::string& what, const std::string& finding) { findings_.push_back(what + ": " + finding); }

  template <typename T>
  void NeedComment(const T& element) {
    pb::SourceLocation location;
    if (!element.GetSourceLocation(&location) || location.leading_comments.empty())
      Say(element.full_name(), "needs a comment");
  }

  void CheckMessage(const pb::Descriptor& message) {
    if (message.options().map_entry()) return;
    if (!IsPascal(message.name())) Say(message.full_name(), "must be PascalCase");
    if (!message.name().ends_with("Request") && !message.name().ends_with("Response")) NeedComment(message);
    if (message.options().GetExtension(v1::list) && (message.field_count() != 1 || !message.field(0)->is_repeated()))
      Say(message.full_name(), "a list message holds one repeated field");
    for (int i = 0; i < message.field_count(); ++i) CheckField(*message.field(i));
    for (int i = 0; i < message.real_oneof_decl_count(); ++i)
      if (!IsSnake(message.oneof_decl(i)->name())) Say(message.oneof_decl(i)->full_name(), "must be lower_snake_case");
    for (int i = 0; i < message.nested_type_count(); ++i) CheckMessage(*message.nested_type(i));
    for (int i = 0; i < message.enum_type_count(); ++i) CheckEnum(*message.enum_type(i));
  }

  void CheckField(const pb::FieldDescriptor& field) {
    if (!IsSnake(field.name())) Say(field.full_name(), "must be lower_snake_case");
    Use(field);
    // A number says nothing without its unit, default and range; neither does a duration.
    const bool number = field.cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING &&
                        field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE &&
                        field.cpp_type() != pb::FieldDescriptor::CPPTYPE_ENUM;
    const bool duration = field.message_type() && field.message_type()->full_name() == "google.protobuf.Duration";
    if (number || duration) NeedComment(field);
  }

  void CheckEnum(const pb::EnumDescriptor& type) {
    if (!IsPascal(type.name())) Say(type.full_name(), "must be PascalCase");
    NeedComment(type);
    const std::string prefix = ValuePrefix(type.name());
    for (int i = 0; i < type.value_count(); ++i) {
      const auto& value = *type.value(i);
      if (!value.name().starts_with(prefix)) Say(value.full_name(), "must start with " + prefix);
      if (value.number() == 0 && value.name() != prefix + "UNSPECIFIED")
        Say(value.full_name(), "the zero value must be " + prefix + "UNSPECIFIED");
    }
    if (type.options().allow_alias()) Say(type.full_name(), "must not have aliases");
  }

  void CheckService(const pb::ServiceDescriptor& service) {
    if (!IsPascal(service.name()) || !service.name().ends_with("Service"))
      Say(service.full_name(), "must be PascalCase and end with Service");
    NeedComment(service);
    for (int i = 0; i < service.method_count(); ++i) {
      const auto& rpc = *service.method(i);
      if (!IsPascal(rpc.name())) Say(rpc.full_name(), "must be PascalCase");
      NeedComment(rpc);
      if (rpc.input_type()->name() != rpc.name() + "Request")
        Say(rpc.full_name(), "must take " + rpc.name() + "Request");
      if (rpc.output_type()->name() != rpc.name() + "Response")
        Say(rpc.full_name(), "must return " + rpc.name() + "Response");
      ++users_[rpc.input_type()->full_name()];
      ++users_[rpc.output_type()->full_name()];
      used_[service.file()].insert(rpc.input_type()->file());
      used_[service.file()].insert(rpc.output_type()->file());
    }
  }

  void Use(const pb::FieldDescriptor& field) {
    auto& used = used_[field.file()];
    if (field.message_type()) used.insert(field.message_type()->file());
    if (field.enum_type()) used.insert(field.enum_type()->file());
    if (field.options().HasExtension(v1::unit) || field.containing_type()->options().HasExtension(v1::list))
      uses_options_.insert(field.file());
  }

  void CheckImports(const pb::FileDescriptor& file) {
    for (int i = 0; i < file.dependency_count(); ++i) {
      const pb::FileDescriptor& import = *file.dependency(i);
      const bool options = import.name() == "bulkhead/v1/options.proto" && uses_options_.count(&file) > 0;
      const bool extends = file.extension_count() > 0 && import.name() == "google/protobuf/descriptor.proto";
      if (used_[&file].count(&import) == 0 && !options && !extends) Say(file.name(), "does not use " + import.name());
    }
  }

  Lines findings_;
  std::map<std::string, int> users_;  // request or response → rpcs
  std::map<const pb::FileDescriptor*, std::set<const pb::FileDescriptor*>> used_;
  std::set<const pb::FileDescriptor*> uses_options_;
};

}  // namespace

namespace {

// A file that is not ours, from the library itself.
void AddWellKnown(const std::string& name, pb::DescriptorPool& pool) {
  const pb::FileDescriptor* known = pb::DescriptorPool::generated_pool()->FindFileByName(name);
  if (!known || pool.FindFileByName(name)) return;
  pb::FileDescriptorProto file;
  known->CopyTo(&file);
  (void)pool.BuildFile(file);  // what is missing then fails in the file that imports it
}

}  // namespace

Lines Lint(const FileSet& files) {
  pb::DescriptorPool pool;
  Linter linter;
  for (const auto& file : files.file()) {
    for (const std::string& import : file.dependency())
      if (import.starts_with("google/")) AddWellKnown(import, pool);
    const pb::FileDescriptor* built = pool.BuildFile(file);
    if (!built) return {file.name() + ": is no valid file"};
    linter.CheckFile(*built);
  }
  linter.CheckSharing();
  return linter.Take();
}

}  // namespace bulkhead
