// What happens at every sampling interval, and the tenants' own counters.
#pragma once

#include <functional>
#include <set>

#include "agent/base/histogram.h"
#include "agent/base/status.h"
#include "agent/engine/engine.h"
#include "agent/kernel/usage_source.h"
#include "agent/usage/alerts.h"
#include "agent/usage/sampler.h"

namespace bulkhead {

// Reads tenants' cgroups when asked; lets go of those that are gone. Core thread only.
class TenantMeter {
 public:
  explicit TenantMeter(UsageSource& source) : source_(source) {}
  Result<UsageReading> Read(const TenantId& tenant);
  void Keep(const std::map<TenantId, TenantSpec>& tenants);

 private:
  UsageSource& source_;
  std::set<TenantId> tracked_;
};

// One sampling round after the other. Core thread only.
class Meter {
 public:
  struct Parts {
    Engine& engine;
    Sampler& sampler;
    TenantMeter& tenants;
    EventLog& events;
    const Clock& clock;
    std::function<void()> recorded;  // there are new records
  };
  explicit Meter(Parts parts);

  Status Recover();                    // continues what an earlier run began
  void Round();                        // samples every live task; a failure is logged at its begin and its end
  Status Final(const LiveTask& task);  // the last sample, durable when it returns Ok
  const Histogram& rounds() const { return rounds_; }  // how long they took

 private:
  Parts parts_;
  Alerts alerts_;
  Status failing_;
  Histogram rounds_{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1};
};

}  // namespace bulkhead
