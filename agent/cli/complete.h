// What may follow a half-typed command line, read from the tree of verbs and options itself. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/cli/cli.h"

namespace bulkhead::cli {

struct Candidate {
  std::string text;
  std::string about;  // may be empty
};

// Names that only the agent knows.
struct NameQuestion {
  std::string kind;    // "tenant", "task" or "policy"
  std::string tenant;  // tasks of this tenant, by their short names; empty: of all, by their full names
};

// What completes the last word.
struct Completion {
  std::vector<Candidate> candidates;  // those that begin with what was typed
  std::optional<NameQuestion> names;
  enum class Paths { kNone, kFiles, kFolders, kCommands } paths = Paths::kNone;
  bool open = false;    // a candidate is not the whole word yet: no space after it
  std::string before;   // what the last word holds before the value: "--output="
  std::string typed;    // what it holds of the value
  std::string address;  // --address, where it was given; else empty
};

// `words` as typed behind the program's name; the last one, which may be empty, is the one to complete.
Completion Complete(const CLI::App& app, const std::vector<std::string>& words);

// For the scripts of the shells: a line for each candidate, text and description with a tab between; what the shell
// itself must find is a line of its own (":files", ":folders", ":commands"), as is ":nospace".
std::string ToLines(const Completion& completion, const std::vector<std::string>& names);

// What to load into a shell, "bash", "zsh" or "fish". All it knows is how to ask the program.
std::string CompletionScript(const std::string& shell);

}  // namespace bulkhead::cli
