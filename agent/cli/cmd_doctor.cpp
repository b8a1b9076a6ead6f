#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "agent/cli/diagnose.h"
#include "agent/cli/output.h"

namespace bulkhead::cli {
namespace {

struct Word {
  const char* text;
  Color color;
};
Word WordOf(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_OK:
      return {"ok", Color::kGood};
    case v1::SEVERITY_NOTE:
      return {"note", Color::kNone};
    case v1::SEVERITY_WARNING:
      return {"WARNING", Color::kWarn};
    case v1::SEVERITY_ERROR:
      return {"ERROR", Color::kBad};
    default:
      return {"unknown", Color::kDim};
  }
}

constexpr size_t kSeverityWidth = 9;
constexpr size_t kIndent = kSeverityWidth + 18;

// The finding's lines; what is well takes one.
std::string Lines(const v1::Finding& finding, bool color) {
  const Word word = WordOf(finding.severity());
  const std::string pad(kSeverityWidth - std::string(word.text).size(), ' ');
  std::string lines = fmt::format("{}{}{:<18}{}\n", Paint(word.text, word.color, color), pad, finding.check(),
                                  Wrap(finding.found(), kIndent, Table::kWidth));
  const auto add = [&](const char* title, const std::string& text) {
    if (!text.empty()) lines += fmt::format("{:{}}{}\n", "", kIndent, Wrap(title + text, kIndent, Table::kWidth));
  };
  add("Means: ", finding.meaning());
  add("Do: ", finding.action());
  return lines;
}

std::string Summary(const v1::DiagnoseResponse& all) {
  const auto count = [&](v1::Severity severity, const char* one, const char* many) {
    const auto number = std::count_if(all.findings().begin(), all.findings().end(),
                                      [&](const v1::Finding& finding) { return finding.severity() == severity; });
    return fmt::format("{} {}", number, number == 1 ? one : many);
  };
  return fmt::format("{}, {}, {}, {}, {}\n", count(v1::SEVERITY_ERROR, "error", "errors"),
                     count(v1::SEVERITY_WARNING, "warning", "warnings"),
                     count(v1::SEVERITY_UNKNOWN, "unknown", "unknown"), count(v1::SEVERITY_NOTE, "note", "notes"),
                     count(v1::SEVERITY_OK, "ok", "ok"));
}

}  // namespace

std::string FindingsText(const v1::DiagnoseResponse& all, bool color) {
  std::string text;
  for (const v1::Finding& finding : all.findings()) text += Lines(finding, color);
  return text + Summary(all);
}

namespace {

Result<int> Doctor(const Cli& cli, const std::string& config) {
  const Diagnosis diagnosis = DiagnoseHost(cli, config);
  if (!WriteMessage(cli, diagnosis.all)) cli.out << FindingsText(diagnosis.all, cli.color);
  for (const v1::Finding& finding : diagnosis.all.findings())
    if (finding.severity() == v1::SEVERITY_ERROR) return kFailed;
  return kDone;
}

}  // namespace

void AddDoctor(CLI::App& app, Cli& cli) {
  auto config = std::make_shared<std::string>();
  CLI::App* verb = AddVerb(app, cli, "doctor",
                           "What is wrong with this host or with Bulkhead on it, what it means and what to do; also "
                           "without an agent. Exit code 1 when something must be done",
                           "bulkheadctl doctor -o json", [&cli, config] { return Doctor(cli, *config); });
  verb->add_option("--config", *config, "The agent's configuration; default: the one that it was started with")
      ->type_name("FILE");
}

}  // namespace bulkhead::cli
