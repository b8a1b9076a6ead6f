// From the schema and its comments.
#include <google/protobuf/descriptor.h>

#include <stdexcept>

#include "agent/manifest/decode.h"
#include "bulkhead/v1/options.pb.h"
#include "roff.h"

namespace bulkhead::man {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// The options of ours: descriptors that were read from a file know them only as bytes.
template <typename Options, typename Extension>
auto OptionOf(const Options& options, const Extension& extension) {
  Options known;
  if (!known.ParseFromString(options.SerializeAsString())) throw std::runtime_error("options cannot be read");
  return known.GetExtension(extension);
}

template <typename Described>
std::string Comment(const Described& described) {
  google::protobuf::SourceLocation location;
  if (!described.GetSourceLocation(&location)) return "";
  std::string text;
  bool line_begin = true;
  for (const char c : location.leading_comments) {
    if (!(line_begin && c == ' ')) text += c;
    line_begin = c == '\n';
  }
  return text;
}

bool IsList(const Descriptor& message) { return OptionOf(message.options(), v1::list); }
// Messages of the schema have fields to write; those of protobuf itself are values.
bool IsSection(const FieldDescriptor& field) {
  return field.message_type() != nullptr && !field.is_map() &&
         field.message_type()->file()->package().rfind("google.", 0) != 0;
}

std::string Words(const google::protobuf::EnumDescriptor& type) {
  std::string words;
  for (int i = 0; i < type.value_count(); ++i)
    if (type.value(i)->number() != 0) words += (words.empty() ? "" : " | ") + EnumName(*type.value(i));
  return words;
}

std::string Scalar(const FieldDescriptor& field) {
  switch (OptionOf(field.options(), v1::unit)) {
    case v1::UNIT_CPUS:
      return "CPUs";
    case v1::UNIT_BYTES:
      return "bytes";
    default:
      break;
  }
  if (field.message_type() != nullptr)
    return field.message_type()->full_name() == "google.protobuf.Duration" ? "duration" : "time";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return "text";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return Words(*field.enum_type());
    default:
      return "number";
  }
}

std::string TypeOf(const FieldDescriptor& field) {
  if (field.is_map()) return "names with text";
  return field.is_repeated() ? "list of " + Scalar(field) : Scalar(field);
}

void AddSection(const Descriptor& message, const std::string& before, bool reload, TypesSaid& said, std::string& out);

void AddField(const FieldDescriptor& field, const std::string& path, bool reload, TypesSaid& said, std::string& out) {
  reload = reload || OptionOf(field.options(), v1::reload);
  const std::string mark = reload ? ", reload" : "";
  if (!IsSection(field)) {
    const std::string comment = Comment(field);
    if (comment.empty()) throw std::runtime_error(field.full_name() + " has no comment");
    out += ".TP\n" + Bold(path) + " (" + Italic(TypeOf(field) + mark) + ")\n" + Prose(comment);
    return;
  }
  const Descriptor* message = field.message_type();
  const FieldDescriptor* rules = IsList(*message) ? message->field(0) : nullptr;
  const std::string own = Comment(field);
  if (rules != nullptr) {
    const std::string comment = own.empty() ? Comment(*message) : own;
    if (!IsSection(*rules)) {
      out += ".TP\n" + Bold(path) + " (" + Italic("list of " + Scalar(*rules)) + ")\n" +
             Prose(comment + "\n" + Comment(*rules));
      return;
    }
    message = rules->message_type();
    out += ".TP\n" + Bold(path) + " (" + Italic("list" + mark) + ")\n" + Prose(comment + " " + Comment(*message));
  } else {
    out += ".TP\n" + Bold(path) + " (" + Italic((field.is_repeated() ? "list" : "section") + mark) + ")\n" +
           Prose(own.empty() ? Comment(*message) : own);
    if (!own.empty() && field.is_repeated()) out += Prose(Comment(*message));
  }
  const std::string below = path + (field.is_repeated() || rules != nullptr ? "[]" : "");
  const auto [known, first] = said.emplace(message, below);
  if (first)
    AddSection(*message, below + ".", reload, said, out);
  else
    out += "Its fields are those of " + Bold(known->second) + ".\n";
}

void AddSection(const Descriptor& message, const std::string& before, bool reload, TypesSaid& said, std::string& out) {
  for (int i = 0; i < message.field_count(); ++i)
    AddField(*message.field(i), before + message.field(i)->name(), reload, said, out);
}

}  // namespace

std::string CommentOf(const Descriptor& message) { return Comment(message); }

std::string FieldsSection(const Descriptor& message, TypesSaid& said) {
  std::string out;
  AddSection(message, "", false, said, out);
  return out;
}

}  // namespace bulkhead::man
