#include "agent/cli/complete.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "agent/manifest/manifest.h"

namespace bulkhead::cli {
namespace {

bool StartsWith(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

bool Hidden(const CLI::App& app) { return app.get_group().empty(); }
bool Hidden(const CLI::Option& option) { return option.get_group().empty(); }

std::string OneLine(const std::string& text) { return text.substr(0, text.find('\n')); }

// Follows the words from the program to the verb, its arguments and the option whose value comes next.
class Walk {
 public:
  explicit Walk(const CLI::App& app) : apps_{&app} {}

  void Take(const std::string& word) {
    if (in_command_) {
      ++command_words_;
    } else if (word == "--") {
      in_command_ = true;
    } else if (TakesMore() && !StartsWith(word, "-")) {
      Give(*pending_, word);
    } else if (StartsWith(word, "-") && word.size() > 1) {
      TakeOption(word);
    } else {
      TakePlain(word);
    }
  }

  Completion Finish(const std::string& word) const {
    Completion done;
    done.typed = word;
    if (const auto given = values_.find("--address"); given != values_.end()) done.address = given->second;
    const size_t equals = word.find('=');
    if (in_command_) {
      done.paths = command_words_ == 0 ? Completion::Paths::kCommands : Completion::Paths::kFiles;
    } else if (TakesMore() && !StartsWith(word, "-")) {
      OfferValues(*pending_, done);
    } else if (StartsWith(word, "--") && equals != std::string::npos) {
      const CLI::Option* option = Find(word.substr(0, equals));
      if (option == nullptr) return done;
      done.before = word.substr(0, equals + 1);
      done.typed = word.substr(equals + 1);
      OfferValues(*option, done);
    } else if (StartsWith(word, "-")) {
      OfferOptions(done);
    } else {
      OfferPlain(done);
    }
    std::erase_if(done.candidates, [&](const Candidate& one) { return !StartsWith(one.text, done.typed); });
    return done;
  }

 private:
  bool TakesMore() const { return pending_ != nullptr && wanted_ > 0; }

  const CLI::Option* Find(const std::string& name) const {
    for (auto app = apps_.rbegin(); app != apps_.rend(); ++app)
      for (const CLI::Option* option : (*app)->get_options())
        if (option->nonpositional() && option->check_name(name)) return option;
    return nullptr;
  }

  static std::string KeyOf(const CLI::Option& option) {
    if (!option.nonpositional()) return option.get_name(true);
    return option.get_lnames().empty() ? "-" + option.get_snames().front() : "--" + option.get_lnames().front();
  }

  void Give(const CLI::Option& option, const std::string& value) {
    values_[KeyOf(option)] = value;
    --wanted_;
  }

  void TakeOption(const std::string& word) {
    pending_ = nullptr;
    const size_t equals = word.find('=');
    const CLI::Option* option = Find(word.substr(0, equals));
    std::optional<std::string> value;
    if (equals != std::string::npos) value = word.substr(equals + 1);
    if (option == nullptr && !StartsWith(word, "--")) {  // -ojson
      option = Find(word.substr(0, 2));
      value = word.substr(2);
    }
    if (option == nullptr) return;
    given_.insert(option);
    wanted_ = option->get_items_expected_max();
    if (value) {
      Give(*option, *value);
      wanted_ = 0;
    }
    pending_ = option;
  }

  std::vector<const CLI::Option*> Positionals() const {
    std::vector<const CLI::Option*> found;
    for (const CLI::Option* option : apps_.back()->get_options())
      if (option->get_positional()) found.push_back(option);
    return found;
  }

  // The argument that the next plain word is; null when there is none left.
  const CLI::Option* NextPositional() const {
    size_t at = plain_words_;
    for (const CLI::Option* option : Positionals()) {
      const auto takes = static_cast<size_t>(std::max(1, option->get_items_expected_max()));
      if (at < takes) return option;
      at -= takes;
    }
    return nullptr;
  }

  void TakePlain(const std::string& word) {
    pending_ = nullptr;
    for (const CLI::App* verb : apps_.back()->get_subcommands([](const CLI::App*) { return true; })) {
      if (!verb->check_name(word)) continue;
      apps_.push_back(verb);
      plain_words_ = 0;
      return;
    }
    if (const CLI::Option* option = NextPositional()) values_[KeyOf(*option)] = word;
    ++plain_words_;
  }

  void OfferOptions(Completion& done) const {
    for (auto app = apps_.rbegin(); app != apps_.rend(); ++app) {
      for (const CLI::Option* option : (*app)->get_options()) {
        if (!option->nonpositional() || Hidden(*option)) continue;
        if (given_.contains(option) && option->get_items_expected_max() <= 1 &&
            option->get_multi_option_policy() != CLI::MultiOptionPolicy::TakeAll)
          continue;
        if (app != apps_.rbegin() && option == (*app)->get_help_ptr()) continue;  // the verb has its own
        const std::string about = OneLine(option->get_description());
        for (const std::string& name : option->get_lnames()) done.candidates.push_back({"--" + name, about});
        if (done.typed.empty()) continue;
        for (const std::string& name : option->get_snames()) done.candidates.push_back({"-" + name, about});
      }
    }
  }

  void OfferPlain(Completion& done) const {
    for (const CLI::App* verb : apps_.back()->get_subcommands([](const CLI::App* one) { return !Hidden(*one); }))
      done.candidates.push_back({verb->get_name(), OneLine(verb->get_description())});
    if (const CLI::Option* option = NextPositional()) {
      OfferValues(*option, done);
    } else if (done.candidates.empty()) {
      OfferOptions(done);
    }
  }

  void OfferValues(const CLI::Option& option, Completion& done) const {
    const std::string type = option.get_type_name().substr(0, option.get_type_name().find(':'));  // without its check
    std::istringstream words(type);
    for (std::string word; std::getline(words, word, '|');) OfferType(word, done);
  }

  void OfferType(const std::string& type, Completion& done) const {
    const auto value = [&](const char* key) {
      const auto found = values_.find(key);
      return found == values_.end() ? "" : found->second;
    };
    if (type == "FILE") {
      done.paths = Completion::Paths::kFiles;
    } else if (type == "DIR" && done.paths == Completion::Paths::kNone) {
      done.paths = Completion::Paths::kFolders;
    } else if (type == "TENANT" || type == "TASK" || type == "POLICY") {
      done.names = NameQuestion{.kind = type == "TENANT" ? "tenant" : type == "TASK" ? "task" : "policy"};
    } else if (type == "NAME" && !KindOf(value("kind")).empty()) {
      done.names = NameQuestion{.kind = KindOf(value("kind"))};
    } else if (type == "NAME" && !value("--tenant").empty()) {
      done.names = NameQuestion{.kind = "task", .tenant = value("--tenant")};
    } else if (type == "FIELD=VALUE") {
      for (const std::string& path : SettableFields(*v1::Task::descriptor()))
        done.candidates.push_back({path.ends_with('.') ? path : path + "=", ""});
      done.open = true;
    } else if (!type.empty() && type.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos && type != "-") {
      done.candidates.push_back({type, ""});
    }
  }

  std::vector<const CLI::App*> apps_;  // the program, perhaps a noun, the verb
  std::map<std::string, std::string> values_;
  std::set<const CLI::Option*> given_;
  const CLI::Option* pending_ = nullptr;  // the option last seen
  int wanted_ = 0;                        // values that it still takes
  size_t plain_words_ = 0;                // arguments of the verb so far
  bool in_command_ = false;               // behind --
  size_t command_words_ = 0;
};

}  // namespace

Completion Complete(const CLI::App& app, const std::vector<std::string>& words) {
  Walk walk(app);
  for (size_t i = 0; i + 1 < words.size(); ++i) walk.Take(words[i]);
  return walk.Finish(words.empty() ? "" : words.back());
}

std::string ToLines(const Completion& completion, const std::vector<std::string>& names) {
  std::string lines;
  for (const Candidate& one : completion.candidates)
    lines += fmt::format("{}{}\t{}\n", completion.before, one.text, one.about);
  for (const std::string& name : names)
    if (StartsWith(name, completion.typed)) lines += fmt::format("{}{}\t\n", completion.before, name);
  switch (completion.paths) {
    case Completion::Paths::kNone:
      break;
    case Completion::Paths::kFiles:
      lines += ":files\n";
      break;
    case Completion::Paths::kFolders:
      lines += ":folders\n";
      break;
    case Completion::Paths::kCommands:
      lines += ":commands\n";
      break;
  }
  if (completion.open) lines += ":nospace\n";
  return lines;
}

}  // namespace bulkhead::cli
