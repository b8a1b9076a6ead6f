// The report stream to whichever controller the configuration names, if any.
#pragma once

#include <memory>

#include "agent/base/event_loop.h"
#include "agent/base/status.h"
#include "agent/rpc/node_api.h"
#include "agent/rpc/report_client.h"
#include "agent/usage/ledger.h"
#include "bulkhead/v1/config.pb.h"

namespace bulkhead {

// Core thread only.
class ControllerLink {
 public:
  ControllerLink(const NodeFacts& facts, Ledger& ledger, EventLoop& loop)
      : facts_(facts), ledger_(ledger), loop_(loop) {}

  // What Set would say.
  Status Check(const v1::ControllerConfig& config) const;
  // Ends the stream that there is and dials this controller, or none. After an error there is none.
  Status Set(const v1::ControllerConfig& config);
  void Wake();  // there are new records
  void Stop();
  v1::ControllerState State() const;

 private:
  ReportOptions Options(const v1::ControllerConfig& config) const;

  const NodeFacts& facts_;
  Ledger& ledger_;
  EventLoop& loop_;
  std::unique_ptr<ReportClient> client_;
};

}  // namespace bulkhead
