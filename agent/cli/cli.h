// What all verbs of bulkheadctl share.
#pragma once

#include <chrono>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "agent/base/status.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace bulkhead::cli {

// Normative; a command run by `run` may end with any other.
enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kNotFound = 3, kDenied = 4 };
int ExitCodeOf(const Status& status);

enum class Format { kTable, kWide, kJson, kYaml, kCsv };

inline constexpr const char* kDefaultAddress = "unix:///run/bulkhead/bulkheadd.sock";

struct Cli {
  std::string address;
  Format format = Format::kTable;
  std::chrono::seconds timeout{60};  // of one call
  bool color = false;
  std::ostream& out;
  std::ostream& err;
  std::vector<std::string> command;  // what stands after `--`
  std::string verb;                  // for messages: "get", "debug bundle"
  // What the command line asked for: the exit code, or the error that main prints.
  std::function<Result<int>()> action;
};

// A verb's sub-command: name, one line about it, an example.
//
// The type name of an option says what its value may be, to people in --help and in the manual page, and to the shell's
// completion: words in lower case with | between them are the choices (`OneOf`); TENANT, TASK (acme/web-1) and POLICY
// are names that the agent knows; NAME is one of the kind that the argument `kind` names, or a task of --tenant; FILE
// and DIR are paths, FIELD=VALUE sets a field of a task. Any other type name only tells people.
CLI::App* AddVerb(CLI::App& app, Cli& cli, const std::string& name, const std::string& about,
                  const std::string& example, std::function<Result<int>()> action);
// A noun with verbs of its own: `debug bundle`. Verbs are added to what it returns.
CLI::App* AddNoun(CLI::App& app, const std::string& name, const std::string& about);
// "table|wide|json": the type name, and a check that refuses any other word.
CLI::Option* OneOf(CLI::Option* option, const std::vector<std::string>& words);

// One per file cmd_<noun>.cpp. `cli` lives as long as `app`.
void AddApply(CLI::App& app, Cli& cli);
void AddAttach(CLI::App& app, Cli& cli);
void AddCompletion(CLI::App& app, Cli& cli);
void AddDebug(CLI::App& app, Cli& cli);
void AddDelete(CLI::App& app, Cli& cli);
void AddDescribe(CLI::App& app, Cli& cli);
void AddDoctor(CLI::App& app, Cli& cli);
void AddEvents(CLI::App& app, Cli& cli);
void AddGet(CLI::App& app, Cli& cli);
void AddLogLevel(CLI::App& app, Cli& cli);
void AddReload(CLI::App& app, Cli& cli);
void AddRun(CLI::App& app, Cli& cli);
void AddStatus(CLI::App& app, Cli& cli);
void AddTop(CLI::App& app, Cli& cli);
void AddUsage(CLI::App& app, Cli& cli);
void AddVersion(CLI::App& app, Cli& cli);

// The verb that the completion scripts ask; what the user has typed stands after `--`.
inline constexpr const char* kCompleteVerb = "__complete";

// "tenant", "task" or "policy" for any of tenant, tenants, …; "" for anything else.
std::string KindOf(const std::string& text);

// "acme/web-1": the part before and after the slash; without a slash both are InvalidArgument.
struct FullName {
  std::string tenant;
  std::string name;
};
Result<FullName> SplitName(const std::string& text);

// bulkheadctl as a function: arguments without the program's name. Errors go to `err`, one line each.
int RunCli(std::vector<std::string> arguments, std::ostream& out, std::ostream& err, bool color);

}  // namespace bulkhead::cli
