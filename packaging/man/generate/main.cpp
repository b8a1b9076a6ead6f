// manpage TEMPLATE DESCRIPTORS: a manual page on standard output. The template is roff; lines `.\"@ …` in it become
// what the program and the schema say of themselves:
//   .\"@ verbs         every verb of bulkheadctl; up to .\"@ end, what stands behind .\"@ verb NAME is said of it, too
//   .\"@ options       options that all verbs share
//   .\"@ about MESSAGE what the schema says of a message
//   .\"@ fields MESSAGE  every field below it
#include <CLI/CLI.hpp>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "agent/cli/tree.h"
#include "roff.h"

namespace bulkhead::man {
namespace {

constexpr const char* kMark = ".\\\"@ ";

std::string ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in || text.empty()) throw std::runtime_error("read " + path);
  return text;
}

class Page {
 public:
  Page(const std::string& schema, const CLI::App& app) : app_(app) {
    google::protobuf::FileDescriptorSet files;
    if (!files.ParseFromString(schema)) throw std::runtime_error("the descriptors cannot be read");
    for (const auto& file : files.file())
      if (pool_.BuildFile(file) == nullptr) throw std::runtime_error("the descriptors do not fit together");
  }

  std::string Fill(const std::string& text) {
    std::istringstream lines(text);
    std::string out;
    for (std::string line; std::getline(lines, line);)
      out += line.starts_with(kMark) ? Section(line.substr(std::string(kMark).size()), lines) : line + "\n";
    return out;
  }

 private:
  std::string Section(const std::string& order, std::istream& rest) {
    const size_t space = order.find(' ');
    const std::string what = order.substr(0, space);
    const std::string of = space == std::string::npos ? "" : order.substr(space + 1);
    if (what == "verbs") return VerbsSection(app_, ReadMore(rest));
    if (what == "options") return OptionsSection(app_);
    if (what == "fields") return FieldsSection(Find(of), said_);
    if (what == "about") return Prose(CommentOf(Find(of)));
    throw std::runtime_error("unknown order: " + order);
  }

  static MoreByVerb ReadMore(std::istream& lines) {
    MoreByVerb more;
    std::string verb;
    for (std::string line; std::getline(lines, line);) {
      const std::string order = line.starts_with(kMark) ? line.substr(std::string(kMark).size()) : "";
      if (order == "end") return more;
      if (order.starts_with("verb "))
        verb = order.substr(5);
      else
        more[verb] += line + "\n";
    }
    throw std::runtime_error("verbs without an end");
  }

  const google::protobuf::Descriptor& Find(const std::string& name) {
    const auto* message = pool_.FindMessageTypeByName("bulkhead.v1." + name);
    if (message == nullptr) throw std::runtime_error("there is no message " + name);
    return *message;
  }

  const CLI::App& app_;
  google::protobuf::DescriptorPool pool_;
  TypesSaid said_;
};

}  // namespace
}  // namespace bulkhead::man

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: manpage TEMPLATE DESCRIPTORS\n", stderr);
    return 2;
  }
  try {
    const std::string text = bulkhead::man::ReadWhole(argv[1]);
    const std::string schema = bulkhead::man::ReadWhole(argv[2]);
    bulkhead::cli::WithTree([&](const CLI::App& app) { std::cout << bulkhead::man::Page(schema, app).Fill(text); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "manpage: %s: %s\n", argv[1], error.what());
    return 1;
  }
}
