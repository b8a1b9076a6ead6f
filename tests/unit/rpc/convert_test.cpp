#include "agent/rpc/convert.h"

#include <random>

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include "tests/support/builders.h"
#include "tests/support/random_limits.h"

namespace bulkhead {
namespace {

v1::Object Parse(const std::string& text) {
  v1::Object object;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &object)) << text;
  return object;
}

std::string ErrorOf(const std::string& text) {
  const auto spec = DecodeObject(Parse(text));
  if (spec.ok()) return "(accepted)";
  EXPECT_EQ(spec.status().code(), StatusCode::kInvalidArgument);
  return Message(spec.status());
}

TEST(DecodeObject, TaskBecomesAValueWithLimitsInKernelUnits) {
  const auto spec = DecodeObject(Parse(R"(task {
    tenant: "acme" name: "web-1" labels {key: "app" value: "web"} addresses: "10.0.0.7" addresses: "fd00::7"
    limits {cpu {max: 0.5 weight: 200} memory {max: 268435456} pids {max: 64}}})"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto& task = std::get<TaskSpec>(*spec);
  EXPECT_EQ(task.id, (TaskId{"acme", "web-1"}));
  EXPECT_EQ(task.labels, (Labels{{"app", "web"}}));
  EXPECT_EQ(task.limits.values, (Limits{{LimitKind::kCpuMax, 50'000},
                                        {LimitKind::kCpuWeight, 200},
                                        {LimitKind::kMemoryMax, 268435456},
                                        {LimitKind::kPidsMax, 64}}));
  ASSERT_EQ(task.addresses.size(), 2U);
  EXPECT_EQ(task.addresses[1].ToString(), "fd00::7");
}

TEST(DecodeObject, AbsentLimitsAreUnlimited) {
  const auto spec = DecodeObject(Parse(R"(tenant {name: "acme" limits {cpu {} memory {}}})"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(std::get<TenantSpec>(*spec).limits, LimitSpec{});
}

TEST(DecodeObject, EveryLimitHasItsField) {
  const auto spec = DecodeObject(Parse(R"(task {tenant: "acme" name: "web-1" limits {
    cpu {max: 2 weight: 7 burst {nanos: 20000000} cpus: "3,0-1" mems: "0"}
    memory {max: 8192 high: 4096 low: 1 min: 2 swap_max: 0 oom_group: true} require: "memory"}})"));
  ASSERT_TRUE(spec.ok()) << spec.status();
  const LimitSpec& limits = std::get<TaskSpec>(*spec).limits;
  EXPECT_EQ(limits.values, (Limits{{LimitKind::kCpuMax, 200'000},
                                   {LimitKind::kCpuBurst, 20'000},
                                   {LimitKind::kCpuWeight, 7},
                                   {LimitKind::kCpuCpus, test::Set("0-1,3")},
                                   {LimitKind::kCpuMems, test::Set("0")},
                                   {LimitKind::kMemoryMax, 8192},
                                   {LimitKind::kMemoryHigh, 4096},
                                   {LimitKind::kMemoryLow, 1},
                                   {LimitKind::kMemoryMin, 2},
                                   {LimitKind::kSwapMax, 0},
                                   {LimitKind::kOomGroup, 1}}));
  EXPECT_EQ(limits.require, (std::set<std::string>{"memory"}));
}

TEST(DecodeObject, DisksAndHugePagesAreLists) {
  const v1::Object object = Parse(R"(tenant {name: "acme" limits {
    io {path: "/var/lib/a" read_bps: 1 write_iops: 2} io {path: "/dev/vdb" write_bps: 3 read_iops: 4}
    hugetlb {page_size: 2097152 max: 0} io_weight: 7}})");
  const auto spec = DecodeObject(object);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const LimitSpec& limits = std::get<TenantSpec>(*spec).limits;
  EXPECT_EQ(limits.io, (std::vector<IoLimit>{{"/var/lib/a", 1, {}, {}, 2}, {"/dev/vdb", {}, 3, 4, {}}}));
  EXPECT_EQ(limits.values, (Limits{{LimitKind::kIoWeight, 7}, {{LimitKind::kHugetlbMax, 2097152}, 0}}));
  EXPECT_EQ(EncodeObject(*spec).SerializeAsString(), object.SerializeAsString());

  const auto task = [](const std::string& text) {
    return ErrorOf(R"(task {tenant: "acme" name: "w" limits {)" + text + "}}");
  };
  EXPECT_EQ(task(R"(io {path: "data"})"), "task acme/w: limits.io[0].path: must be absolute");
  EXPECT_EQ(task(R"(io {path: "/a"} io {path: "/a"})"), "task acme/w: limits.io[1].path: is there twice");
  EXPECT_EQ(task(R"(io {path: "/a" read_bps: 0})"), "task acme/w: limits.io[0].read_bps: out of range, use 1 to 1EiB");
  EXPECT_EQ(task(R"(io {path: "/a" write_iops: 4294967295})"),
            "task acme/w: limits.io[0].write_iops: out of range, use 1 to 4294967294");
  EXPECT_EQ(task(R"(io {disk: "8:0"})"), "task acme/w: limits.io[0].disk: is for what the agent reports: name a path");
  EXPECT_EQ(task("hugetlb {page_size: 3000000 max: 1}"),
            "task acme/w: limits.hugetlb[0].page_size: is not a size of huge pages, such as 2MiB");
  EXPECT_EQ(task("hugetlb {page_size: 2097152}"), "task acme/w: limits.hugetlb[0].max: is not set");
  EXPECT_EQ(task("hugetlb {page_size: 2097152 max: 1} hugetlb {page_size: 2097152 max: 2}"),
            "task acme/w: limits.hugetlb[1].page_size: is there twice");
}

TEST(EncodeLimits, DisksAreGatheredAndNamedAsTheKernelDoes) {
  const LimitId read{LimitKind::kIoReadBps, OfDisk({254, 16})};
  const LimitId write{LimitKind::kIoWriteIops, OfDisk({254, 16})};
  EXPECT_EQ(EncodeLimits(Limits{{read, 5}, {write, 6}}).ShortDebugString(),
            "io { read_bps: 5 write_iops: 6 disk: \"254:16\" }");
}

TEST(DecodeObject, WhatBecomesOfALimitBelowUseComesBackAsItWasAsked) {
  for (const char* shrink : {"", R"(on_shrink: "refuse")", R"(on_shrink: "force" shrink_deadline {seconds: 5})"}) {
    const v1::Object object = Parse(std::string("tenant {name: \"acme\" limits {memory {max: 8192 ") + shrink + "}}}");
    const auto spec = DecodeObject(object);
    ASSERT_TRUE(spec.ok()) << spec.status();
    const auto back = DecodeSpec(EncodeSpec(*spec));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(std::get<TenantSpec>(*back), std::get<TenantSpec>(*spec)) << shrink;
  }
  const auto forced = DecodeObject(
      Parse(R"(tenant {name: "acme" limits {memory {max: 8192 on_shrink: "force" shrink_deadline {seconds: 5}}}})"));
  EXPECT_EQ(std::get<TenantSpec>(*forced).limits.on_shrink, OnShrink::kForce);
  EXPECT_EQ(std::get<TenantSpec>(*forced).limits.shrink_deadline, std::chrono::seconds(5));
}

TEST(DecodeObject, BadNamesAreRefusedBeforeTheyBecomeDirectories) {
  const std::string rule = " is not a name: use 1 to 63 of a-z, 0-9 and '-', with a letter or digit first and last";
  EXPECT_EQ(ErrorOf(R"(tenant {name: ".."})"), "tenant ..: name: \"..\"" + rule);
  EXPECT_EQ(ErrorOf(R"(tenant {name: "a/b"})"), "tenant a/b: name: \"a/b\"" + rule);
  EXPECT_EQ(ErrorOf(R"(tenant {name: "Acme"})"), "tenant Acme: name: \"Acme\"" + rule);
  EXPECT_EQ(ErrorOf(R"(tenant {})"), "tenant : name: \"\"" + rule);
  EXPECT_EQ(ErrorOf(R"(task {tenant: "../x" name: "web"})"), "task ../x/web: tenant: \"../x\"" + rule);
  EXPECT_EQ(ErrorOf(R"(task {tenant: "acme" name: "web/1"})"), "task acme/web/1: name: \"web/1\"" + rule);
}

TEST(DecodeObject, MissingKindIsRefused) {
  EXPECT_EQ(ErrorOf(""), "object: kind is not set: give a tenant, a task or a network_policy");
}

TEST(DecodeObject, AbsurdLimitsNameTheirField) {
  const auto task = [](const std::string& limits) {
    return ErrorOf(R"(task {tenant: "acme" name: "web-1" limits {)" + limits + "}}");
  };
  EXPECT_EQ(task("memory {max: 4095}"), "task acme/web-1: limits.memory.max: out of range, use 4KiB to 1EiB");
  EXPECT_EQ(task("memory {max: 18446744073709551615}"),
            "task acme/web-1: limits.memory.max: out of range, use 4KiB to 1EiB");
  EXPECT_EQ(task("pids {max: 0}"), "task acme/web-1: limits.pids.max: out of range, use 1 to 4194304");
  EXPECT_EQ(task("cpu {weight: 0}"), "task acme/web-1: limits.cpu.weight: out of range, use 1 to 10000");
  EXPECT_EQ(task("cpu {max: 0.000001}"),
            "task acme/web-1: limits.cpu.max: out of range, use 10m (a hundredth of a CPU) to 10000 CPUs");
  EXPECT_EQ(task("cpu {max: -1}"), "task acme/web-1: limits.cpu.max: -1 is not a number of CPUs: use 2, 0.5 or 500m");
  EXPECT_EQ(task("cpu {max: nan}"), "task acme/web-1: limits.cpu.max: nan is not a number of CPUs: use 2, 0.5 or 500m");
  EXPECT_EQ(task("cpu {max: inf}"), "task acme/web-1: limits.cpu.max: inf CPUs is out of range, use 10m to 10000 CPUs");
  EXPECT_EQ(task("cpu {max: 1e300}"),
            "task acme/web-1: limits.cpu.max: 1e+300 CPUs is out of range, use 10m to 10000 CPUs");
  EXPECT_EQ(task("cpu {max: 1 burst {nanos: 1500}}"), "task acme/web-1: limits.cpu.burst: finer than a microsecond");
  EXPECT_EQ(task("cpu {max: 1 burst {seconds: -1}}"),
            "task acme/web-1: limits.cpu.burst: out of range, use 0s to 1000s");
  EXPECT_EQ(task("cpu {max: 1 burst {seconds: 9223372036854775807}}"),
            "task acme/web-1: limits.cpu.burst: out of range, use 0s to 1000s");
  EXPECT_EQ(task(R"(cpu {cpus: "0-"})"), "task acme/web-1: limits.cpu.cpus: \"0-\" is not a list such as 0-3,7");
  EXPECT_EQ(task("cpu {idle: true weight: 5}"),
            "task acme/web-1: limits.cpu.weight: an idle task has no weight: leave out one of the two");
  EXPECT_EQ(task(R"(memory {on_shrink: "maybe"})"),
            "task acme/web-1: limits.memory.on_shrink: \"maybe\" is not known: use reclaim, refuse or force");
  EXPECT_EQ(task("memory {shrink_deadline {seconds: 3601}}"),
            "task acme/web-1: limits.memory.shrink_deadline: out of range, use 0s to 1h");
  EXPECT_THAT(task(R"(require: "speed")"),
              testing::StartsWith("task acme/web-1: limits.require: \"speed\" is not a limit, use cpu, cpu.burst"));
}

TEST(DecodeObject, LabelsAreCheckedByKeyAndValue) {
  const auto tenant = [](const std::string& key, const std::string& value) {
    v1::Object object = Parse(R"(tenant {name: "acme"})");
    (*object.mutable_tenant()->mutable_labels())[key] = value;
    const auto spec = DecodeObject(object);
    return spec.ok() ? std::string("(accepted)") : Message(spec.status());
  };
  EXPECT_EQ(tenant("app.kubernetes.io/name", "web_1"), "(accepted)");
  EXPECT_EQ(tenant("app", ""), "(accepted)");
  EXPECT_EQ(tenant(std::string(63, 'a'), std::string(63, 'b')), "(accepted)");
  EXPECT_THAT(tenant(std::string(64, 'a'), "b"), testing::HasSubstr("is not a label key"));
  EXPECT_THAT(tenant("", "b"), testing::StartsWith("tenant acme: labels: \"\" is not a label key"));
  EXPECT_THAT(tenant("a\nb", "c"), testing::StartsWith("tenant acme: labels: \"a?b\" is not a label key"));
  EXPECT_EQ(tenant("app", "-x"),
            "tenant acme: labels.app: \"-x\" is not a label value: use up to 63 letters, digits, '.', '_' and '-', "
            "with a letter or digit first and last");
  EXPECT_THAT(tenant("app", std::string(64, 'b')), testing::HasSubstr("is not a label value"));
}

TEST(DecodeObject, TooManyLabelsAreRefused) {
  v1::Object object = Parse(R"(tenant {name: "acme"})");
  for (int i = 0; i < 65; ++i) (*object.mutable_tenant()->mutable_labels())["k" + std::to_string(i)] = "v";
  EXPECT_EQ(Message(DecodeObject(object).status()), "tenant acme: labels: 65 labels, at most 64 are allowed");
}

TEST(DecodeObject, TaskAddressesMustNameOneTask) {
  const auto task = [](const std::string& addresses) {
    return ErrorOf(R"(task {tenant: "acme" name: "web" )" + addresses + "}");
  };
  const std::string advice = ": give the address of the task's own network namespace";
  EXPECT_EQ(task(R"(addresses: "10.0.0.1" addresses: "10.0.0.1")"),
            "task acme/web: addresses[1]: 10.0.0.1 is listed twice");
  EXPECT_EQ(task(R"(addresses: "10.0.0.1" addresses: "::ffff:10.0.0.1")"),
            "task acme/web: addresses[1]: 10.0.0.1 is listed twice");
  EXPECT_EQ(task(R"(addresses: "127.0.0.53")"),
            "task acme/web: addresses[0]: 127.0.0.53 is a loopback address" + advice);
  EXPECT_EQ(task(R"(addresses: "::1")"), "task acme/web: addresses[0]: ::1 is a loopback address" + advice);
  EXPECT_EQ(task(R"(addresses: "0.0.0.0")"),
            "task acme/web: addresses[0]: 0.0.0.0 is the unspecified address" + advice);
  EXPECT_EQ(task(R"(addresses: "::")"), "task acme/web: addresses[0]: :: is the unspecified address" + advice);
  EXPECT_EQ(task(R"(addresses: "224.0.0.1")"),
            "task acme/web: addresses[0]: 224.0.0.1 is a multicast address" + advice);
  EXPECT_EQ(task(R"(addresses: "ff02::1")"), "task acme/web: addresses[0]: ff02::1 is a multicast address" + advice);
  EXPECT_EQ(task(R"(addresses: "255.255.255.255")"),
            "task acme/web: addresses[0]: 255.255.255.255 is a broadcast address" + advice);
  EXPECT_EQ(task(R"(addresses: "10.0.0.0/8")"), "task acme/web: addresses[0]: \"10.0.0.0/8\" is not an IP address");
  EXPECT_EQ(task(R"(addresses: "10.0.0.1\000x")"),
            std::string("task acme/web: addresses[0]: \"10.0.0.1?x\" is not an IP address"));
}

TEST(DecodeSpec, ForeignBytesAreAnErrorNotACrash) {
  EXPECT_EQ(Message(DecodeSpec("\xff\xff\xff").status()), "stored object of 3 bytes: not a bulkhead.v1.Object");
  EXPECT_FALSE(DecodeSpec("").ok());
}

LimitSpec RandomSpec(std::mt19937& random) {
  LimitSpec spec{.values = test::RandomLimits(random), .require = {}};
  if (random() % 2) spec.require = {"memory.high", "cpu"};
  return spec;
}

TEST(EncodeSpec, RandomTenantsAndTasksComeBackUnchanged) {
  std::mt19937 random(20240511);
  for (int round = 0; round < 2'000; ++round) {
    const std::string name = "t" + std::to_string(random() % 1000);
    TaskSpec task{{"acme", name}, {{"app", name}, {"x", ""}}, RandomSpec(random), {}};
    for (int i = 0; i < 3; ++i) {
      IpAddress address;
      address.family = random() % 2 ? Family::kV6 : Family::kV4;
      for (auto& byte : address.bytes) byte = static_cast<uint8_t>(random());
      address.bytes[0] = 0x20;
      if (address.family == Family::kV4) std::fill(address.bytes.begin() + 4, address.bytes.end(), uint8_t{0});
      task.addresses.push_back(address);
    }
    const ObjectSpec specs[] = {task, TenantSpec{{name}, {{"tier", "gold"}}, RandomSpec(random)}};
    for (const ObjectSpec& spec : specs) {
      const auto back = DecodeSpec(EncodeSpec(spec));
      ASSERT_TRUE(back.ok()) << back.status();
      ASSERT_EQ(*back, spec) << EncodeObject(spec).DebugString();
    }
  }
}

TEST(EncodeLimits, OnlyWhatLimitsIsWritten) {
  EXPECT_EQ(EncodeLimits(Limits{{LimitKind::kMemoryMax, 4096}}).ShortDebugString(), "memory { max: 4096 }");
  EXPECT_EQ(EncodeLimits(Limits{}).ShortDebugString(), "");
}

}  // namespace
}  // namespace bulkhead
