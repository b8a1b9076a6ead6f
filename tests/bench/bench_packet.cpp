// What the walls cost a packet, and what a change of rules costs: ns of the loaded programs (BPF_PROG_TEST_RUN) beside
// an empty program of the same kind in the same run, at 1, 1 000 and 100 000 rules.
#include <linux/bpf.h>
#include <net/if.h>

#include <algorithm>
#include <random>

#include <bpf/bpf.h>

#include "bpf/abi/policy.h"
#include "tests/bench/bench.h"
#include "tests/support/builders.h"
#include "tests/support/test_run.h"

namespace bulkhead::bench {
namespace {

using test::Bytes;
using test::Lab;
using test::Packet;
using test::TestRun;

constexpr uint32_t kRepeat = 1'000'000;
constexpr int kRounds = 5;        // the best one counts: the others were disturbed
constexpr int kColdFlows = 4000;  // each a new socket and another remote
const char* const kDevice = "bench0";

Status Require(const Status& status) {
  if (!status.ok()) fmt::print(stderr, "{}\n", Message(status));
  return status;
}

// `rules` networks of five lengths, spread over 10.0.0.0/8 and half of the rest.
CompiledPolicy Rules(uint32_t rules, std::vector<IpAddress>& inside) {
  std::mt19937 random(rules);
  CompiledPolicy policy;
  policy.classes[{Direction::kEgress, kFirstPrefixClass}] = {{0, true, 0, 65535, 1}};
  policy.classes[{Direction::kIngress, kFirstPrefixClass}] = {{0, true, 0, 65535, 1}};
  policy.prefixes.push_back({Direction::kIngress, test::Prefix("0.0.0.0/0"), kFirstPrefixClass});
  policy.prefixes.push_back({Direction::kEgress, test::Prefix("10.2.0.1/32"), kFirstPrefixClass});
  constexpr uint8_t kLengths[] = {16, 20, 24, 28, 32};
  while (policy.prefixes.size() < rules + 1) {
    const uint8_t length = kLengths[rules > 1000 ? 2 + random() % 3 : random() % 5];
    const uint32_t bits =
        (static_cast<uint32_t>(random()) | 0x0b000000u) & ~static_cast<uint32_t>((1ull << (32 - length)) - 1);
    IpPrefix prefix{{Family::kV4, {}}, length};
    for (size_t byte = 0; byte < 4; ++byte) prefix.address.bytes[byte] = static_cast<uint8_t>(bits >> (24 - 8 * byte));
    policy.prefixes.push_back({Direction::kEgress, prefix, kFirstPrefixClass});
    inside.push_back(prefix.address);
    if (policy.prefixes.size() < rules + 1) continue;
    std::sort(policy.prefixes.begin(), policy.prefixes.end());
    const auto same = [](const PrefixEntry& a, const PrefixEntry& b) {
      return a.direction == b.direction && a.prefix == b.prefix;
    };
    policy.prefixes.erase(std::unique(policy.prefixes.begin(), policy.prefixes.end(), same), policy.prefixes.end());
  }
  return policy;
}

int EmptyProgram() {
  const bpf_insn instructions[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = BPF_CGROUP_INET_EGRESS;
  return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "empty", "GPL", instructions, 2, &options);
}

double Best(const std::function<test::RunResult()>& run) {
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) best = std::min<double>(best, run().nanoseconds);
  return best;
}

// Cold flows: each packet belongs to a new socket and goes to another network.
Json Cold(TestRun& run, const std::vector<IpAddress>& inside, uint32_t device) {
  std::vector<double> samples;
  for (int i = 0; i < kColdFlows; ++i) {
    const IpAddress& to = inside[static_cast<size_t>(i) * 7919 % inside.size()];
    const Bytes packet = Packet(test::Address("10.1.0.1"), to).Tcp(40000, 443, test::kSyn);
    const test::RunResult result = run.Run(DIR_EGRESS, packet, device);
    if (result.passed) samples.push_back(result.nanoseconds);
  }
  std::sort(samples.begin(), samples.end());
  return Json()
      .Add("flows", static_cast<double>(samples.size()))
      .Add("p50_ns", samples[samples.size() / 2])
      .Add("p99_ns", samples[samples.size() * 99 / 100]);
}

Json Replace(Lab& lab, const CompiledPolicy& policy) {
  std::vector<double> install, flip, retire;
  const TaskBinding binding{lab.IdOf("acme"), 1001, lab.SlotOf("acme/web")};
  for (uint32_t round = 0; round < kRounds; ++round) {
    TaskBinding next = binding;
    next.policy_id = 1000 + round + 1;
    install.push_back(TimeUsec([&] { (void)Require(lab.maps().InstallPolicy(next.policy_id, policy)); }) / 1000);
    flip.push_back(TimeUsec([&] { (void)Require(lab.maps().BindTask(lab.IdOf("acme/web"), next, false)); }));
    if (round > 0)
      retire.push_back(TimeUsec([&] { (void)Require(lab.maps().RetirePolicy(next.policy_id - 1)); }) / 1000);
  }
  return Json().Add("install_ms", Median(install)).Add("flip_us", Median(flip)).Add("retire_ms", Median(retire));
}

Json AtRules(Lab& lab, TestRun& run, uint32_t rules, uint32_t device, double empty) {
  std::vector<IpAddress> inside{test::Address("10.2.0.1")};
  const CompiledPolicy policy = Rules(rules, inside);
  lab.Bind("acme/web", policy);
  const Bytes out_tcp = Packet("10.1.0.1", "10.2.0.1").Tcp(40000, 443, test::kAck);
  const Bytes in_tcp = Packet("10.2.0.1", "10.1.0.1").Tcp(40000, 443, test::kAck);
  const Bytes out_udp = Packet("10.1.0.1", "10.2.0.1").Udp(40000, 443);
  const double egress = Best([&] { return run.Run(DIR_EGRESS, out_tcp, device, kRepeat); });
  const double ingress = Best([&] { return run.Run(DIR_INGRESS, in_tcp, device, kRepeat); });
  const double udp = Best([&] { return run.Run(DIR_EGRESS, out_udp, device, kRepeat); });
  return Json()
      .Add("rules", static_cast<double>(policy.prefixes.size() - 1))
      .Add("tcp_egress_ns", egress)
      .Add("tcp_ingress_ns", ingress)
      .Add("udp_egress_ns", udp)
      .Add("tcp_egress_over_empty_ns", egress - empty)
      .Add("first_packet", Cold(run, inside, device));
}

int Main(int argc, char** argv) {
  auto lab = Lab::Create();
  if (!Require(lab.status()).ok()) return 1;
  (*lab)->Ip(-1, std::string("link add ") + kDevice + " type veth peer name bench1");
  const uint32_t device = ::if_nametoindex(kDevice);
  (*lab)->Make("acme/web");
  TestRun run(**lab);
  (*lab)->Enter("acme/web");
  const UniqueFd empty_program(EmptyProgram());
  const Bytes packet = Packet("10.1.0.1", "10.2.0.1").Tcp(40000, 443, test::kAck);
  const double empty =
      Best([&] { return TestRun::RunProgram(empty_program.get(), DIR_EGRESS, packet, device, kRepeat); });
  Json result;
  result.Add("bench", std::string("packet")).Add("empty_program_ns", empty);
  for (const uint32_t rules : {1u, 1000u, 100000u})
    result.Add(fmt::format("at_{}_rules", rules), AtRules(**lab, run, rules, device, empty));
  std::vector<IpAddress> unused;
  result.Add("replace_100000", Replace(**lab, Rules(100000, unused)));
  return Report(argc, argv, result);
}

}  // namespace
}  // namespace bulkhead::bench

int main(int argc, char** argv) { return bulkhead::bench::Main(argc, argv); }
