#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "agent/cli/cli.h"
#include "agent/cli/tree.h"

namespace bulkhead::cli {
namespace {

constexpr const char* kProgram = "bulkheadctl";
constexpr const char* kAbout = "Walls and meters for the tenants of this host.";

const std::vector<std::pair<std::string, Format>> kFormats = {{"table", Format::kTable},
                                                              {"wide", Format::kWide},
                                                              {"json", Format::kJson},
                                                              {"yaml", Format::kYaml},
                                                              {"csv", Format::kCsv}};

std::string CheckAddress(const std::string& address) {
  return address.rfind("unix:", 0) == 0 && address.size() > 5 ? "" : "use unix:///path/to/the/agent's/socket";
}

// One line for each line of the message, so that every line of the output says whose it is.
void PrintError(const Cli& cli, const std::string& message) {
  std::istringstream lines(message);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) cli.err << "bulkheadctl: " << line << "\n";
}

void AddAll(CLI::App& app, Cli& cli) {
  AddStatus(app, cli);
  AddApply(app, cli);
  AddDelete(app, cli);
  AddGet(app, cli);
  AddDescribe(app, cli);
  AddRun(app, cli);
  AddAttach(app, cli);
  AddTop(app, cli);
  AddUsage(app, cli);
  AddEvents(app, cli);
  AddReload(app, cli);
  AddLogLevel(app, cli);
  AddDoctor(app, cli);
  AddDebug(app, cli);
  AddCompletion(app, cli);
  AddVersion(app, cli);
}

void AddGlobals(CLI::App& app, Cli& cli, std::string& format, int& timeout) {
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied. Every verb has --help.");
  app.add_option("--address", cli.address, "The agent's socket")
      ->type_name("ADDRESS")
      ->envname("BULKHEAD_ADDRESS")
      ->check(CLI::Validator(CheckAddress, "unix:///PATH"))
      ->capture_default_str();
  std::vector<std::string> formats;
  formats.reserve(kFormats.size());
  for (const auto& [name, value] : kFormats) formats.push_back(name);
  OneOf(app.add_option("-o,--output", format, "Form of the answer; csv is for usage only"), formats);
  app.add_option("--timeout", timeout, "Seconds that one call to the agent may take")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
}

// What CLI11 cannot know.
std::string Check(const Cli& cli) {
  if (cli.format == Format::kCsv && cli.verb != "usage") return "-o csv is for usage only";
  if (cli.format != Format::kTable && cli.verb == "debug bundle")
    return "it writes a file: -o FILE stands behind the verb";
  const bool takes_command = cli.verb == "run" || cli.verb == kCompleteVerb;
  if (!takes_command && !cli.command.empty()) return "takes no command after --";
  if (takes_command && cli.command.empty()) return "there is no command after --";
  return "";
}

// "debug bundle": the verb that was used, with its noun.
std::string VerbOf(const CLI::App& app) {
  if (app.get_parent() == nullptr) return "";
  const std::string noun = VerbOf(*app.get_parent());
  return noun.empty() ? app.get_name() : fmt::format("{} {}", noun, app.get_name());
}

// Parse errors of CLI11 end here.
int Parse(CLI::App& app, const Cli& cli, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants it
  try {
    app.parse(arguments);
    return -1;
  } catch (const CLI::Success& success) {
    return app.exit(success, cli.out, cli.err);
  } catch (const CLI::ParseError& error) {
    const CLI::App* last = &app;
    while (!last->get_subcommands().empty()) last = last->get_subcommands().front();
    const std::string verb = VerbOf(*last);
    PrintError(cli, fmt::format("{}{}: try bulkheadctl{} --help", verb.empty() ? "" : verb + ": ", error.what(),
                                verb.empty() ? "" : " " + verb));
    return kUsage;
  }
}

}  // namespace

int ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kDone;
    case StatusCode::kNotFound:
      return kNotFound;
    case StatusCode::kPermissionDenied:
    case StatusCode::kUnauthenticated:
      return kDenied;
    default:
      return kFailed;
  }
}

CLI::App* AddVerb(CLI::App& app, Cli& cli, const std::string& name, const std::string& about,
                  const std::string& example, std::function<Result<int>()> action) {
  CLI::App* verb = app.add_subcommand(name, about);
  verb->fallthrough();  // --address, -o … may stand behind the verb
  verb->footer("Example: " + example);
  verb->callback([&cli, verb, action = std::move(action)] {
    cli.verb = VerbOf(*verb);
    cli.action = action;
  });
  return verb;
}

CLI::App* AddNoun(CLI::App& app, const std::string& name, const std::string& about) {
  CLI::App* noun = app.add_subcommand(name, about);
  noun->fallthrough();
  noun->require_subcommand(1);
  return noun;
}

CLI::Option* OneOf(CLI::Option* option, const std::vector<std::string>& words) {
  return option->type_name(fmt::format("{}", fmt::join(words, "|")))->check([words](const std::string& text) {
    return std::find(words.begin(), words.end(), text) != words.end() ? ""
                                                                      : fmt::format("use {}", fmt::join(words, ", "));
  });
}

std::string KindOf(const std::string& text) {
  if (text == "tenant" || text == "tenants") return "tenant";
  if (text == "task" || text == "tasks") return "task";
  if (text == "policy" || text == "policies") return "policy";
  return "";
}

Result<FullName> SplitName(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size() ||
      text.find('/', slash + 1) != std::string::npos)
    return InvalidArgument(fmt::format("{}: write it as TENANT/NAME", text));
  return FullName{text.substr(0, slash), text.substr(slash + 1)};
}

int RunCli(std::vector<std::string> arguments, std::ostream& out, std::ostream& err, bool color) {
  Cli cli{.address = kDefaultAddress, .color = color, .out = out, .err = err};
  // What stands after `--` belongs to the command that `run` starts, and is never an option of ours.
  if (const auto dashes = std::find(arguments.begin(), arguments.end(), "--"); dashes != arguments.end()) {
    cli.command.assign(dashes + 1, arguments.end());
    arguments.erase(dashes, arguments.end());
  }
  CLI::App app(kAbout, kProgram);
  std::string format = "table";
  int timeout = static_cast<int>(cli.timeout.count());
  AddGlobals(app, cli, format, timeout);
  AddAll(app, cli);
  if (const int code = Parse(app, cli, std::move(arguments)); code >= 0) return code;
  cli.format = std::find_if(kFormats.begin(), kFormats.end(), [&](const auto& form) {
                 return form.first == format;
               })->second;  // checked while parsing
  cli.timeout = std::chrono::seconds(timeout);
  if (const std::string problem = Check(cli); !problem.empty()) {
    PrintError(cli, fmt::format("{}: {}: try bulkheadctl {} --help", cli.verb, problem, cli.verb));
    return kUsage;
  }
  const Result<int> code = cli.action();
  if (code.ok()) return *code;
  PrintError(cli, fmt::format("{}", Message(code.status())));
  return ExitCodeOf(code.status());
}

void WithTree(const std::function<void(const CLI::App&)>& look) {
  std::ostringstream nowhere;
  Cli cli{.address = kDefaultAddress, .out = nowhere, .err = nowhere};
  CLI::App app(kAbout, kProgram);
  std::string format = "table";
  int timeout = static_cast<int>(cli.timeout.count());
  AddGlobals(app, cli, format, timeout);
  AddAll(app, cli);
  look(app);
}

}  // namespace bulkhead::cli
