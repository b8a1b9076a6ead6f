// Runs the packet programs on made packets (BPF_PROG_TEST_RUN): the socket is a fresh one of the calling process's
// cgroup, so the process enters a task's cgroup first (Lab::Enter).
#pragma once

#include <memory>

#include "agent/kernel/bpf_object.h"
#include "tests/support/lab.h"
#include "tests/support/packets.h"

namespace bulkhead::test {

struct RunResult {
  bool passed = false;       // by the last run
  uint32_t nanoseconds = 0;  // average of all runs
};

class TestRun {
 public:
  // Programs that share the lab's maps.
  explicit TestRun(Lab& lab);

  // direction: DIR_*. ifindex: the device that the packet leaves by or came from; 0 = any but loopback for ingress, and
  // loopback for egress. With `repeat` the socket stays the same: from the second run on it knows its flow.
  RunResult Run(int direction, const Bytes& packet, uint32_t ifindex = 0, uint32_t repeat = 1);
  static RunResult RunProgram(int program_fd, int direction, const Bytes& packet, uint32_t ifindex, uint32_t repeat);

 private:
  std::unique_ptr<PolicyObject> object_;
};

}  // namespace bulkhead::test
