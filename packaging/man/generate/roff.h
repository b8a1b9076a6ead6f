// Plain text as roff, and the reference sections that are made from it. Pure.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}
namespace google::protobuf {
class Descriptor;
}

namespace bulkhead::man {

// Escaped, so that no character of it commands anything. ASCII only: pages are read on every terminal.
std::string Escape(std::string_view text);
inline std::string Bold(std::string_view text) { return "\\fB" + Escape(text) + "\\fR"; }
inline std::string Italic(std::string_view text) { return "\\fI" + Escape(text) + "\\fR"; }
// Running text: escaped, `quoted` words bold, lines filled anew.
std::string Prose(std::string_view text);

// By verb ("debug bundle"), hand-written roff that follows what the verb says of itself.
using MoreByVerb = std::map<std::string, std::string>;
// Every verb with its arguments, options and example; options of all verbs; names of all verbs.
std::string VerbsSection(const CLI::App& app, const MoreByVerb& more);
std::string OptionsSection(const CLI::App& app);
std::vector<std::string> VerbNames(const CLI::App& app);

// Every field below a message as it is written in YAML, with its type, what the schema says of it, and `note` of it.
// What a type holds is said once on a page: `said` has where.
std::string CommentOf(const google::protobuf::Descriptor& message);
using TypesSaid = std::map<const google::protobuf::Descriptor*, std::string>;
std::string FieldsSection(const google::protobuf::Descriptor& message, TypesSaid& said);

}  // namespace bulkhead::man
