// The report stream to whichever controller the configuration names, if any.
#pragma once

#include <memory>

#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/manifest/agent_config.h"
#include "agent/rpc/node_api.h"
#include "agent/rpc/report_client.h"
#include "agent/usage/ledger.h"

namespace bulkhead {

// Core thread only.
class ControllerLink {
 public:
  ControllerLink(const NodeFacts& facts, Ledger& ledger, EventLoop& loop)
      : facts_(facts), ledger_(ledger), loop_(loop) {}

  // What Set would say.
  Status Check(const ControllerTarget& target) const;
  // Ends the stream that there is and dials this controller, or none. After an error there is none.
  Status Set(const ControllerTarget& target);
  void Wake();  // there are new records
  void Stop();
  ReportState State() const;

 private:
  ReportOptions Options(const ControllerTarget& target) const;

  const NodeFacts& facts_;
  Ledger& ledger_;
  EventLoop& loop_;
  std::unique_ptr<ReportClient> client_;
};

}  // namespace bulkhead
