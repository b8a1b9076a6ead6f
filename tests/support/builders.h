// Specs in one line: Task("acme", "web").Label("app", "web").MemoryMax(64_MiB). Bad text aborts the test.
#pragma once

#include <string>
#include <vector>

#include "agent/model/specs.h"

namespace bulkhead::test {

constexpr uint64_t operator""_KiB(unsigned long long value) { return value << 10; }
constexpr uint64_t operator""_MiB(unsigned long long value) { return value << 20; }
constexpr uint64_t operator""_GiB(unsigned long long value) { return value << 30; }

IpAddress Address(const std::string& text);
IpPrefix Prefix(const std::string& text);
PortRange Port(const std::string& text);
IndexSet Set(const std::string& text);

// What tenants and tasks have in common.
template <typename Spec, typename Builder>
class LimitedBuilder {
 public:
  Builder& Label(const std::string& key, const std::string& value) { return spec_.labels[key] = value, self(); }
  Builder& Limit(const LimitId& id, const LimitValue& value) { return spec_.limits.values.Set(id, value), self(); }
  Builder& Require(const std::string& name) { return spec_.limits.require.insert(name), self(); }
  Builder& CpuMax(double cpus) {
    return Limit(LimitKind::kCpuMax, static_cast<uint64_t>(cpus * static_cast<double>(kCpuPeriodUsec)));
  }
  Builder& CpuWeight(uint64_t weight) { return Limit(LimitKind::kCpuWeight, weight); }
  Builder& Cpus(const std::string& list) { return Limit(LimitKind::kCpuCpus, Set(list)); }
  Builder& MemoryMax(uint64_t bytes) { return Limit(LimitKind::kMemoryMax, bytes); }
  Builder& MemoryHigh(uint64_t bytes) { return Limit(LimitKind::kMemoryHigh, bytes); }
  Builder& PidsMax(uint64_t pids) { return Limit(LimitKind::kPidsMax, pids); }
  operator Spec() const { return spec_; }  // NOLINT(google-explicit-constructor): reads as the spec it builds

 protected:
  Builder& self() { return static_cast<Builder&>(*this); }
  Spec spec_;
};

class Tenant : public LimitedBuilder<TenantSpec, Tenant> {
 public:
  explicit Tenant(const std::string& name) { spec_.id = {name}; }
};

class Task : public LimitedBuilder<TaskSpec, Task> {
 public:
  Task(const std::string& tenant, const std::string& name) { spec_.id = {tenant, name}; }
  Task& Addr(const std::string& address) { return spec_.addresses.push_back(Address(address)), *this; }
};

// Peers of a rule. Allow({Same(), Cidr("10.0.0.0/8", {"10.9.0.0/16"})}, {"tcp/80"}); Allow() allows everything.
Peer Same();
Peer Cidr(const std::string& cidr, const std::vector<std::string>& except = {});
Rule Allow(const std::vector<Peer>& peers = {}, const std::vector<std::string>& ports = {});

class Policy {
 public:
  Policy(const std::string& tenant, const std::string& name) { spec_.id = {tenant, name}; }
  Policy& Select(const std::string& key, const std::string& value) { return spec_.select[key] = value, *this; }
  Policy& Ingress(const std::vector<Rule>& rules = {}) { return spec_.ingress = rules, *this; }
  Policy& Egress(const std::vector<Rule>& rules = {}) { return spec_.egress = rules, *this; }
  Policy& Bind(const std::vector<std::string>& ports);
  operator PolicySpec() const { return spec_; }  // NOLINT(google-explicit-constructor)

 private:
  PolicySpec spec_;
};

}  // namespace bulkhead::test
