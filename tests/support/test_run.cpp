#include "tests/support/test_run.h"

#include <linux/bpf.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bpf/abi/policy.h"

namespace bulkhead::test {
namespace {

void Require(const Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "test run: {}\n", Message(status));
  std::abort();
}

}  // namespace

TestRun::TestRun(Lab& lab) {
  auto root = OpenCgroup(lab.root());
  Require(root.status());
  auto object = PolicyObject::Load({.root_level = root->level,
                                    .root_cgroup_id = root->id,
                                    .maps = {},
                                    .maps_dir = fmt::format("{}/v{}/maps", lab.bpffs(), POLICY_SCHEMA)});
  Require(object.status());
  object_ = std::make_unique<PolicyObject>(*std::move(object));
}

RunResult TestRun::Run(int direction, const Bytes& packet, uint32_t ifindex, uint32_t repeat) {
  return RunProgram(object_->ProgramFd(direction == DIR_EGRESS ? "egress" : "ingress"), direction, packet, ifindex,
                    repeat);
}

RunResult TestRun::RunProgram(int program_fd, int direction, const Bytes& packet, uint32_t ifindex, uint32_t repeat) {
  const bool six = !packet.empty() && packet[0] >> 4 == 6;
  Bytes frame(12, 0);  // the kernel takes the ethernet header off again
  frame.push_back(six ? 0x86 : 0x08);
  frame.push_back(six ? 0xdd : 0x00);
  frame.insert(frame.end(), packet.begin(), packet.end());
  __sk_buff context{};
  (direction == DIR_EGRESS ? context.ifindex : context.ingress_ifindex) = ifindex;
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<uint32_t>(frame.size());
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  options.repeat = static_cast<int>(repeat);
  if (bpf_prog_test_run_opts(program_fd, &options) != 0) Require(Errno(errno, "run a program on a packet"));
  return {options.retval == 1, options.duration};
}

}  // namespace bulkhead::test
