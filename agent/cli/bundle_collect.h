// Gets what a bundle's items ask for from host and agent. Decides nothing.
#pragma once

#include <chrono>
#include <string>

#include "agent/cli/bundle.h"
#include "agent/cli/client.h"

namespace bulkhead::cli {

struct Collected {
  std::string text;
  std::string more;  // what was left out, and why; "" for nothing
};

class Collector {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // `client` null: the agent is not asked. From `deadline` on everything is DeadlineExceeded; what is under way then
  // ends after at most kBundleStep.
  Collector(Client* client, Time deadline) : client_(client), deadline_(deadline) {}
  Result<Collected> Collect(const BundleItem& item);

 private:
  std::chrono::seconds Step() const;  // how long the next step may take
  Result<Collected> Get(const FromText& from);
  Result<Collected> Get(const FromFile& from);
  Result<Collected> Get(const FromCommand& from);
  Result<Collected> Get(const FromAgent& from);
  Result<Collected> Get(const FromManifests& from);
  Result<Collected> Get(const FromCgroups& from);
  Result<Collected> Get(const FromPins& from);
  Result<Collected> Get(const FromFolders& from);
  Result<Collected> Get(const FromNowhere& from);

  Client* client_;
  Time deadline_;
  Status agent_;  // not ok: it does not answer any more, and is not asked again
};

// The parts with files of their own.

// An answer of the agent: one message, or a message a line. Not more than a bundle's file takes.
Result<Collected> AskAgent(Client& client, AgentQuestion question, Collector::Time deadline);
// "FILE: VALUE" under a line for each cgroup: the root, then tenants, then tasks, in each hierarchy.
Result<Collected> ReadCgroups(const FromCgroups& from, Collector::Time deadline);
// A line for each pin: path, and what the kernel says of the object.
Result<Collected> ReadPins(const std::string& folder);

}  // namespace bulkhead::cli
