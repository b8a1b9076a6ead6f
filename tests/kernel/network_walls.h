// The fixture of tests with real sockets of real processes in real cgroups, on one network namespace: what the host
// network looks like to tasks.
#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "agent/plan/policy_compiler.h"
#include "tests/support/lab.h"
#include "tests/support/matchers.h"
#include "tests/support/sockets.h"

namespace bulkhead::test {

inline constexpr size_t kIn = 0;
inline constexpr size_t kOut = 1;
inline constexpr int kSilenceMs = 300;  // how long a test listens for what must not come

class NetworkWalls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto lab = Lab::Create();
    ASSERT_THAT(lab, IsOk());
    lab_ = *std::move(lab);
  }

  static CompiledPolicy Compile(const std::vector<PolicySpec>& specs, Baseline baseline = Baseline::kIsolate) {
    std::vector<const PolicySpec*> selecting;
    for (const PolicySpec& spec : specs) selecting.push_back(&spec);
    auto compiled = CompilePolicy(selecting, baseline);
    EXPECT_THAT(compiled, IsOk());
    return *compiled;
  }
  void Isolate(const std::vector<std::string>& tasks) {
    for (const std::string& task : tasks) lab_->Bind(task, Compile({}));
  }
  TaskProcess Echo(const std::string& task, uint16_t port) {
    return lab_->Serve(task, [port](const auto& ready) { return EchoServer(port, ready); });
  }
  int ProbeFrom(const std::string& task, const std::string& address, uint16_t port, Transport transport,
                int timeout_ms = kPatienceMs) {
    return lab_->Run(task, [=] { return Probe(address, port, transport, timeout_ms); });
  }
  uint64_t Dropped(const std::string& task, size_t direction, DropReason reason) {
    return lab_->Counters(task).dropped[direction][static_cast<size_t>(reason)];
  }
  uint64_t Passed(const std::string& task, size_t direction, Scope scope) {
    return lab_->Counters(task).passed[direction][static_cast<size_t>(scope)].packets;
  }

  std::unique_ptr<Lab> lab_;
};

struct Way {
  const char* address;
  Transport transport;
};
inline constexpr Way kWays[] = {
    {"127.0.0.1", Transport::kTcp}, {"127.0.0.1", Transport::kUdp}, {"::1", Transport::kTcp}, {"::1", Transport::kUdp}};

}  // namespace bulkhead::test
