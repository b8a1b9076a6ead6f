// From the tree of verbs and options.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <stdexcept>

#include "roff.h"

namespace bulkhead::man {
namespace {

bool Hidden(const CLI::App& app) { return app.get_group().empty(); }

std::vector<const CLI::App*> Below(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* one) { return !Hidden(*one); });
}

std::string NameOf(const CLI::App& verb) {
  const CLI::App* noun = verb.get_parent();
  return noun == nullptr || noun->get_parent() == nullptr ? verb.get_name() : noun->get_name() + " " + verb.get_name();
}

// What has no verbs below it.
std::vector<const CLI::App*> Verbs(const CLI::App& app) {
  std::vector<const CLI::App*> verbs;
  for (const CLI::App* one : Below(app)) {
    const std::vector<const CLI::App*> more = Below(*one);
    if (more.empty()) verbs.push_back(one);
    verbs.insert(verbs.end(), more.begin(), more.end());
  }
  return verbs;
}

bool IsHelp(const CLI::App& app, const CLI::Option& option) { return &option == app.get_help_ptr(); }

std::string ValueOf(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return "";
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));  // without the name of its check
}

// Choices are typed as they stand, names are replaced.
std::string Value(const std::string& type) {
  return std::any_of(type.begin(), type.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) ? Italic(type) : Bold(type);
}

bool Repeats(const CLI::Option& option) { return option.get_items_expected_max() > 1; }

std::string Argument(const CLI::Option& option) {
  const std::string type = ValueOf(option);
  const bool choices = type.find('|') != std::string::npos || type.empty();
  std::string text = choices && !type.empty() ? Value(type) : Italic(type.empty() ? option.get_name(true) : type);
  if (Repeats(option)) text += "...";
  return option.get_required() ? text : "[" + text + "]";
}

// "-o, --output FORMAT"
std::string Names(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames()) names += (names.empty() ? "" : ", ") + Bold("-" + name);
  for (const std::string& name : option.get_lnames()) names += (names.empty() ? "" : ", ") + Bold("--" + name);
  const std::string value = ValueOf(option);
  return value.empty() ? names : names + " " + Value(value);
}

std::string OptionText(const CLI::Option& option) {
  std::string text = ".TP\n" + Names(option) + "\n" + Prose(option.get_description() + ".");
  if (option.get_required()) text += "Required.\n";
  if (!option.get_default_str().empty()) text += "Default: " + Bold(option.get_default_str()) + ".\n";
  if (!option.get_envname().empty()) text += "Environment: " + Bold(option.get_envname()) + ".\n";
  return text;
}

std::string Synopsis(const CLI::App& verb) {
  std::string text = Bold(NameOf(verb));
  bool options = false;
  for (const CLI::Option* option : verb.get_options())
    options = options || (option->nonpositional() && !IsHelp(verb, *option));
  if (options) text += " [" + Italic("OPTION") + "...]";
  for (const CLI::Option* option : verb.get_options())
    if (option->get_positional()) text += " " + Argument(*option);
  // What stands behind -- is no argument of the tree.
  if (verb.get_footer().find(" -- ") != std::string::npos) text += " " + Bold("--") + " " + Italic("COMMAND") + "...";
  return text;
}

std::string Example(const CLI::App& verb) {
  std::string footer = verb.get_footer();
  const std::string title = "Example: ";
  if (!footer.starts_with(title)) return "";
  return ".IP\n.EX\n" + Escape(footer.substr(title.size())) + "\n.EE\n";
}

}  // namespace

std::vector<std::string> VerbNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : Verbs(app)) names.push_back(NameOf(*verb));
  return names;
}

std::string VerbsSection(const CLI::App& app, const MoreByVerb& more) {
  const std::vector<std::string> names = VerbNames(app);
  for (const auto& [verb, text] : more)
    if (std::find(names.begin(), names.end(), verb) == names.end())
      throw std::runtime_error("there is no verb \"" + verb + "\" of which the page could say more");
  std::string text;
  for (const CLI::App* verb : Verbs(app)) {
    text += ".TP\n" + Synopsis(*verb) + "\n" + Prose(verb->get_description() + ".");
    if (const auto found = more.find(NameOf(*verb)); found != more.end()) text += found->second;
    std::string options;
    for (const CLI::Option* option : verb->get_options())
      if (option->nonpositional() && !IsHelp(*verb, *option)) options += OptionText(*option);
    if (!options.empty()) text += ".RS\n" + options + ".RE\n";
    text += Example(*verb);
  }
  return text;
}

std::string OptionsSection(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options())
    if (option->nonpositional() && !option->get_group().empty()) text += OptionText(*option);
  return text;
}

}  // namespace bulkhead::man
