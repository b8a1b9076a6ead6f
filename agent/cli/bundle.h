// What a debug bundle holds: decided and bounded here, without a look at the host. Pure.
//
// Never in it: private keys, tokens and passwords (no such file is opened, and Redact goes over every text), and
// command lines, environments and output of processes of tenants.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "agent/base/status.h"
#include "agent/cli/host_checks.h"
#include "agent/cli/host_facts.h"

namespace bulkhead::cli {

// Bounds.
inline constexpr size_t kBundleFileBytes = 4U << 20U;   // one file; beyond it is cut
inline constexpr size_t kBundleBytes = 32U << 20U;      // all of them, before they are compressed
inline constexpr std::chrono::seconds kBundleTime{60};  // the whole collection
inline constexpr std::chrono::seconds kBundleStep{10};  // one program of the host, or one call to the agent
inline constexpr size_t kBundleCgroups = 2000;          // whose files are read, in every hierarchy
inline constexpr size_t kBundlePlanned = 1000;          // objects that the agent is asked to plan for
inline constexpr const char* kBundleJournalLines = "4000";

enum class AgentQuestion { kStatus, kTenants, kTasks, kPolicies, kUsage, kEvents, kPlan };

// Where the text of a file comes from.
struct FromText {
  std::string text;
};
struct FromFile {
  std::string path;
};
struct FromCommand {
  std::vector<std::string> command;
};
struct FromAgent {
  AgentQuestion question;
};
// The manifests as they are understood, which leaves comments out.
struct FromManifests {
  std::string folder;
};
// Limits and counters below `roots`, of which the first that is there counts, in every hierarchy.
struct FromCgroups {
  std::vector<std::string> hierarchies;  // mount points
  std::vector<std::string> roots;        // relative to them
};
struct FromPins {
  std::string folder;
};
// Mode, owner, size, time and name of what lies there, not what it holds.
struct FromFolders {
  std::vector<std::string> paths;
};
// It cannot be had here.
struct FromNowhere {
  std::string why;
};
using BundleSource = std::variant<FromText, FromFile, FromCommand, FromAgent, FromManifests, FromCgroups, FromPins,
                                  FromFolders, FromNowhere>;

struct BundleItem {
  std::string name;   // in the bundle: "agent/status.json"
  std::string about;  // a few words, for the manifest
  BundleSource source;
  bool newest = false;  // a log: where it is cut its end stays, otherwise its beginning
};

// Everything that belongs into the bundle of this host, also what cannot be had; what matters most first.
std::vector<BundleItem> BundleItems(const HostFacts& host, const AgentFacts& agent, const v1::DiagnoseResponse& doctor);

// Files of a cgroup that say what is allowed and used; not those that list processes or that only take writes.
bool CgroupFileWanted(const std::string& name);

// Without what looks like a secret: blocks of private keys; values of names like password, secret, token, credential or
// API key; user and password of a URL; the Environment= of a unit. Says in each place that something was there.
std::string Redact(const std::string& text);

struct BundleFile {
  std::string name;
  std::string text;
};

// Takes what was collected, keeps secrets and bounds, and keeps account of what is in and what is not.
class Bundle {
 public:
  struct Bounds {
    size_t file = kBundleFileBytes;
    size_t all = kBundleBytes;
  };
  Bundle() : Bundle(Bounds{}) {}
  explicit Bundle(Bounds bounds) : bounds_(bounds) {}

  // `text`: an error is why it is missing. `more`: the collector itself left something out, and why; "" for no.
  void Add(const BundleItem& item, const Result<std::string>& text, const std::string& more);

  struct Entry {
    std::string name;
    std::string about;
    size_t bytes = 0;
    std::string note;  // why it is not whole, or, with missing, why it is not there
    bool missing = false;
  };
  const std::vector<Entry>& entries() const { return entries_; }
  size_t missing() const;
  // MANIFEST, then the files in the order of Add. `title`: lines on where, when and by whom it was made.
  std::vector<BundleFile> Finish(const std::string& title) &&;

 private:
  std::string Manifest(const std::string& title) const;
  Bounds bounds_;
  size_t used_ = 0;
  std::vector<Entry> entries_;
  std::vector<BundleFile> files_;
};

}  // namespace bulkhead::cli
