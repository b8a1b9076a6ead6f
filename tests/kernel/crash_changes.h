// The node that crash and fault tests start from, and what they do to it.
#pragma once

#include <cerrno>
#include <ostream>
#include <string>
#include <vector>

#include "tests/kernel/crash_agent.h"
#include "tests/support/builders.h"

namespace bulkhead::test {

struct Change {
  const char* name;
  std::vector<ObjectSpec> put;
  std::vector<ObjectKey> remove;  // one, and nothing is put: by Delete; else by pruning
  int closed_port = EPERM;        // what acme/flip gets from kClosedPort after it
  int open_port = 0;              // and from kOpenPort
};

inline void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }

inline PolicySpec AcmeNet(const std::vector<std::string>& host_ports) {
  std::vector<Rule> rules = {Allow({Same()})};
  if (!host_ports.empty()) rules.push_back(Allow({Cidr("127.0.0.0/8")}, host_ports));
  return Policy("acme", "net").Egress(rules);
}

inline DesiredState BaseState() {
  return With({},
              {Tenant("acme").CpuMax(2).MemoryMax(1_GiB).PidsMax(200), Tenant("beta").PidsMax(50), Tenant("evil"),
               Tenant("idle").MemoryMax(64_MiB), Task("acme", "app").PidsMax(40),
               Task("acme", "flip").Addr("10.1.0.1").CpuWeight(200),
               Task("acme", "job").Addr("10.1.0.2").PidsMax(10).Label("kind", "job"),
               Task("acme", "web").MemoryMax(256_MiB).PidsMax(50), Task("beta", "run").Addr("10.1.0.3"),
               Task("evil", "probe"), AcmeNet({"tcp/7101"}),
               Policy("acme", "job").Select("kind", "job").Egress({Allow({Cidr("10.0.0.0/8", {"10.9.0.0/16"})})}),
               Policy("acme", "out").Select("out", "yes").Egress({Allow({Cidr("127.0.0.0/8")}, {"tcp/7100"})}),
               Policy("beta", "all").Ingress({Allow({Same()}, {"tcp/80"})})},
              {});
}

inline std::vector<Change> Changes() {
  return {{"CreateTenantTasksAndPolicy",
           {Tenant("gamma").MemoryMax(128_MiB).PidsMax(20), Task("gamma", "one").PidsMax(5).Addr("10.1.0.9"),
            Task("gamma", "two").CpuMax(0.5).Label("app", "two"),
            Policy("gamma", "two").Select("app", "two").Egress({Allow({Cidr("192.0.2.0/24")}, {"tcp/443"})})},
           {}},
          {"LimitsWiderAndNarrower",
           {Tenant("acme").CpuMax(2).MemoryMax(512_MiB).PidsMax(300),
            Task("acme", "web").MemoryMax(128_MiB).PidsMax(60), Task("acme", "app").PidsMax(30).CpuMax(1)},
           {}},
          {"PolicyStartsToAllow", {AcmeNet({"tcp/7100", "tcp/7101"})}, {}, 0, 0},
          {"PolicyStartsToDeny", {AcmeNet({})}, {}, EPERM, EPERM},
          {"Relabel", {Task("acme", "flip").Label("out", "yes").Addr("10.1.0.4").CpuWeight(200)}, {}, 0, 0},
          {"DeleteTask", {}, {{"task", "acme/job"}}},
          {"DeleteTenant", {}, {{"tenant", "idle"}}},
          {"Prune", {}, {{"policy", "beta/all"}, {"task", "beta/run"}, {"tenant", "beta"}, {"tenant", "idle"}}}};
}

inline DesiredState AfterOf(const Change& change) { return With(BaseState(), change.put, change.remove); }

// The objects' results; for a Delete that failed, its error.
inline Result<std::vector<ObjectResult>> Perform(Engine& engine, const Change& change) {
  if (change.put.empty() && change.remove.size() == 1) {
    BULKHEAD_RETURN_IF_ERROR(engine.Delete(change.remove[0].kind, change.remove[0].name).status());
    return std::vector<ObjectResult>{};
  }
  if (change.remove.empty()) return engine.Apply(change.put, {});
  return engine.Apply(ObjectsOf(AfterOf(change)), {.prune = true});
}

}  // namespace bulkhead::test
