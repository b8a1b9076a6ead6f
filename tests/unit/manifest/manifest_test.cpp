#include "agent/manifest/manifest.h"

#include <gmock/gmock.h>

namespace bulkhead {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string ErrorOf(const std::string& text) {
  const auto objects = ParseManifest(text, "t.yaml");
  if (objects.ok()) return "(accepted)";
  EXPECT_EQ(objects.status().code(), StatusCode::kInvalidArgument);
  return Message(objects.status());
}

std::string TaskWith(const std::string& field) { return "kind: Task\ntenant: acme\nname: web-1\n" + field + "\n"; }

TEST(ParseManifest, EveryFieldArrivesInBaseUnits) {
  const auto objects = ParseManifest(R"(
kind: Task
tenant: acme
name: web-1
labels: {app: web, version: 1.0}
limits:
  cpu: {max: 500m, weight: 100}
  memory: {max: 256MiB}
  pids: {max: 64}
addresses: [10.0.0.7, "fd00::7"]
)",
                                     "t.yaml");
  ASSERT_TRUE(objects.ok()) << objects.status();
  ASSERT_EQ(objects->size(), 1U);
  const v1::Task& task = objects->at(0).task();
  EXPECT_EQ(task.tenant(), "acme");
  EXPECT_EQ(task.labels().at("version"), "1.0");
  EXPECT_EQ(task.limits().cpu().max(), 0.5);
  EXPECT_EQ(task.limits().memory().max(), 268435456U);
  EXPECT_EQ(task.limits().pids().max(), 64U);
  EXPECT_EQ(task.addresses(1), "fd00::7");
}

TEST(ParseManifest, AbsentEmptyAndOpenDirectionsStayDifferent) {
  const auto objects =
      ParseManifest("kind: NetworkPolicy\ntenant: acme\nname: p\ningress: []\negress: [{}]\n", "t.yaml");
  ASSERT_TRUE(objects.ok()) << objects.status();
  const v1::NetworkPolicy& policy = objects->at(0).network_policy();
  EXPECT_TRUE(policy.has_ingress());
  EXPECT_EQ(policy.ingress().rules_size(), 0);
  EXPECT_EQ(policy.egress().rules_size(), 1);
  EXPECT_FALSE(policy.has_bind());
}

TEST(ParseManifest, AbsentAndZeroStayDifferent) {
  const auto objects = ParseManifest(TaskWith("limits: {memory: {max: 0}, pids: {}}"), "t.yaml");
  ASSERT_TRUE(objects.ok()) << objects.status();
  const v1::Limits& limits = objects->at(0).task().limits();
  EXPECT_TRUE(limits.memory().has_max());
  EXPECT_TRUE(limits.has_pids());
  EXPECT_FALSE(limits.pids().has_max());
  EXPECT_FALSE(limits.has_cpu());
}

TEST(ParseObjects, DocumentsKeepTheirPlaceAndEmptyOnesAreSkipped) {
  const auto objects =
      ParseObjects("# none\n---\n---\nkind: Tenant\nname: a\n---\n# b\nkind: Tenant\nname: b\n---\n", "t.yaml");
  ASSERT_TRUE(objects.ok()) << objects.status();
  ASSERT_EQ(objects->size(), 2U);
  EXPECT_EQ(objects->at(0).line, 4);
  EXPECT_EQ(objects->at(1).line, 8);
  EXPECT_EQ(objects->at(1).file, "t.yaml");
  EXPECT_EQ(objects->at(1).object.tenant().name(), "b");
  for (const char* text : {"", " \n\n", "---\n---\n", "# only a comment\n"})
    EXPECT_TRUE(ParseObjects(text, "t.yaml")->empty()) << text;
}

TEST(ParseManifest, JsonNamesAreKnownToo) {
  const auto config = ParseConfig("usage: {spoolMax: 2MiB}", "c.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->usage().spool_max(), 2U << 20);
  const auto twice = ParseConfig("usage:\n  spoolMax: 2MiB\n  spool_max: 3MiB\n", "c.yaml");
  EXPECT_EQ(Message(twice.status()),
            "c.yaml:3: usage.spool_max: the same field is there twice, under both of its names");
}

TEST(ParseManifest, InvalidYamlNamesTheLine) {
  EXPECT_THAT(ErrorOf("kind: Tenant\nname: [a\n"), StartsWith("t.yaml:3: not valid YAML: "));
  EXPECT_THAT(ErrorOf("kind: Tenant\n\tname: a\n"), StartsWith("t.yaml:2: not valid YAML: "));
  EXPECT_THAT(ErrorOf("a: b: c"), StartsWith("t.yaml:1: not valid YAML: "));
  EXPECT_EQ(ErrorOf("kind: Tenant\nname: a\n]\n"), "t.yaml:3: not valid YAML: illegal flow end");
  EXPECT_EQ(ErrorOf(",a: b\n"), "t.yaml:1: not valid YAML: unexpected text");
  EXPECT_EQ(ErrorOf("name: \xff\xfe"), "t.yaml:1: not UTF-8 text");
}

TEST(ParseManifest, UnknownFieldsAreNamedWithTheNearestKnownOne) {
  EXPECT_EQ(ErrorOf(TaskWith("limits:\n  memroy: {max: 1GiB}")),
            "t.yaml:5: limits.memroy: unknown field; did you mean \"memory\"?");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {disk: 5}")),
            "t.yaml:4: limits.disk: unknown field; use one of cpu, memory, pids, require, io, io_weight, hugetlb");
  EXPECT_EQ(ErrorOf("kind: NetworkPolicy\ntenant: a\nname: p\ningress:\n  - from:\n    - cdir: 10.0.0.0/8\n"),
            "t.yaml:6: ingress[0].from[0].cdir: unknown field; did you mean \"cidr\"?");
}

TEST(ParseManifest, KindsAreChecked) {
  EXPECT_EQ(ErrorOf("name: a"), "t.yaml:1: kind: missing: use one of Tenant, Task, NetworkPolicy");
  EXPECT_EQ(ErrorOf("kind: Tennant\nname: a"), "t.yaml:1: kind: \"Tennant\" is not a kind; did you mean \"Tenant\"?");
  EXPECT_EQ(ErrorOf("kind: Pod\nname: a"),
            "t.yaml:1: kind: \"Pod\" is not a kind; use one of Tenant, Task, NetworkPolicy");
  EXPECT_EQ(ErrorOf("- a\n- b\n"), "t.yaml:1: a document must be a mapping that starts with kind:");
  EXPECT_EQ(ErrorOf("just text"), "t.yaml:1: a document must be a mapping that starts with kind:");
}

TEST(ParseManifest, MissingNamesAreNamed) {
  EXPECT_EQ(ErrorOf("kind: Tenant\nlabels: {}\n"), "t.yaml:1: name: missing: a Tenant needs one");
  EXPECT_EQ(ErrorOf("kind: Task\nname: web\n"), "t.yaml:1: tenant: missing: a Task needs one");
}

TEST(ParseManifest, AbsurdQuantitiesNameFileLineAndField) {
  EXPECT_EQ(ErrorOf(TaskWith("limits:\n  memory:\n    max: 12XB")),
            "t.yaml:6: limits.memory.max: \"12XB\" is not a byte quantity: use 512MiB, 4GiB, 10MB");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {memory: {max: -1}}")),
            "t.yaml:4: limits.memory.max: \"-1\" is negative: use 512MiB, 4GiB, 10MB");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {memory: {max: 99999999999999999999}}")),
            "t.yaml:4: limits.memory.max: \"99999999999999999999\" is too large: use less than 16EiB");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {cpu: {max: .nan}}")),
            "t.yaml:4: limits.cpu.max: \".nan\" is not a number of CPUs: use 2, 0.5 or 500m");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {cpu: {max: .inf}}")),
            "t.yaml:4: limits.cpu.max: \".inf\" is not a number of CPUs: use 2, 0.5 or 500m");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {pids: {max: many}}")),
            "t.yaml:4: limits.pids.max: \"many\" is not a whole number");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {pids: {max: -5}}")),
            "t.yaml:4: limits.pids.max: \"-5\" is negative: use a whole number from 0");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {pids: {max: 1.5}}")),
            "t.yaml:4: limits.pids.max: \"1.5\" is not a whole number");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {pids: {max: 18446744073709551616}}")),
            "t.yaml:4: limits.pids.max: \"18446744073709551616\" is too large");
}

TEST(ParseManifest, WrongTypesSayWhatIsNeeded) {
  EXPECT_EQ(ErrorOf(TaskWith("limits: 5")), "t.yaml:4: limits: \"5\" is a single value, but a mapping is needed");
  EXPECT_EQ(ErrorOf(TaskWith("limits: [a]")), "t.yaml:4: limits: this is a list, but a mapping is needed");
  EXPECT_EQ(ErrorOf(TaskWith("labels: web")), "t.yaml:4: labels: \"web\" is a single value, but a mapping is needed");
  EXPECT_EQ(ErrorOf(TaskWith("labels: {a: [b]}")), "t.yaml:4: labels.a: this is a list, but a single value is needed");
  EXPECT_EQ(ErrorOf(TaskWith("addresses: 10.0.0.1")),
            "t.yaml:4: addresses: \"10.0.0.1\" is a single value, but a list is needed");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {pids: {max: {a: b}}}")),
            "t.yaml:4: limits.pids.max: this is a mapping, but a single value is needed");
  EXPECT_EQ(ErrorOf("kind: [Task]\nname: a"), "t.yaml:1: kind: not a word: use one of Tenant, Task, NetworkPolicy");
}

TEST(ParseManifest, AFieldWithoutValueIsNeverGuessed) {
  EXPECT_EQ(ErrorOf("kind: NetworkPolicy\ntenant: a\nname: p\ningress:\n"),
            "t.yaml:4: ingress: has no value: give one or leave the field out");
  EXPECT_EQ(ErrorOf(TaskWith("limits: {memory: {max: ~}}")),
            "t.yaml:4: limits.memory.max: has no value: give one or leave the field out");
  EXPECT_EQ(ErrorOf(TaskWith("addresses: [null]")),
            "t.yaml:4: addresses[0]: has no value: give one or leave the field out");
}

TEST(ParseManifest, DuplicateKeysAreErrors) {
  EXPECT_EQ(ErrorOf("kind: Tenant\nname: a\nname: b\n"), "t.yaml:3: the key \"name\" is there twice in one mapping");
  EXPECT_EQ(ErrorOf(TaskWith("labels:\n  a: x\n  b: y\n  a: z")),
            "t.yaml:7: the key \"a\" is there twice in one mapping");
}

TEST(ParseManifest, DuplicateObjectsNameBothPlaces) {
  EXPECT_EQ(ErrorOf("kind: Tenant\nname: a\n---\nkind: Tenant\nname: b\n---\nkind: Tenant\nname: a\n"),
            "t.yaml:7: Tenant a is already defined at t.yaml:1");
  EXPECT_EQ(ErrorOf(TaskWith("") + "---\n" + TaskWith("")), "t.yaml:6: Task acme/web-1 is already defined at t.yaml:1");
  EXPECT_EQ(ErrorOf("kind: Tenant\nname: a\n---\nkind: Task\ntenant: a\nname: a\n"), "(accepted)");
}

TEST(ParseManifest, SeveralErrorsAreReportedTogetherAndBounded) {
  EXPECT_EQ(ErrorOf("kind: Tenant\nnam: a\nlimits: {memory: {max: x}}\n---\nkind: Pod\n"),
            "t.yaml:2: nam: unknown field; did you mean \"name\"?\n"
            "t.yaml:3: limits.memory.max: \"x\" is not a byte quantity: use 512MiB, 4GiB, 10MB\n"
            "t.yaml:5: kind: \"Pod\" is not a kind; use one of Tenant, Task, NetworkPolicy");
  std::string many;
  for (int i = 0; i < 60; ++i) many += "kind: Pod\n---\n";
  const std::string error = ErrorOf(many);
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 50);
  EXPECT_THAT(error, testing::EndsWith("\nand 10 more errors"));
}

TEST(ParseManifest, AliasesWorkAndBombsAreRefused) {
  const auto objects =
      ParseManifest("kind: Tenant\nname: a\nlimits: {memory: {max: &m 1GiB}}\nlabels: {m: *m}\n", "t.yaml");
  ASSERT_TRUE(objects.ok()) << objects.status();
  EXPECT_EQ(objects->at(0).tenant().labels().at("m"), "1GiB");

  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j ? ", *a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(ErrorOf(bomb), HasSubstr("too large: at most 200000 values and 4 MiB of text, aliases expanded"));
  std::string wide = "a: &a \"" + std::string(500'000, 'x') + "\"\nb: [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n";
  EXPECT_THAT(ErrorOf(wide), HasSubstr("too large: at most 200000 values"));
  EXPECT_EQ(ErrorOf("a: &a [*a]\n"), "t.yaml:1: an alias of a value that contains it");
}

TEST(ParseManifest, DepthAndSizeAreBounded) {
  EXPECT_EQ(ErrorOf("a: " + std::string(33, '[') + std::string(33, ']')), "t.yaml:1: nested more than 32 levels deep");
  EXPECT_THAT(ErrorOf("a: " + std::string(100'000, '[')), StartsWith("t.yaml:1: "));
  EXPECT_EQ(ErrorOf(std::string((1 << 20) + 1, ' ')), "t.yaml:1: too large: 1048577 bytes, at most 1 MiB are read");
  EXPECT_EQ(ErrorOf(std::string(1 << 20, '\n')), "(accepted)");
}

TEST(ParseManifest, OddYamlIsRefusedNotGuessed) {
  EXPECT_EQ(ErrorOf("kind: Tenant\nname: !secret a\n"), "t.yaml:2: the tag \"!secret\" is not known here");
  EXPECT_EQ(ErrorOf("? [a]\n: b\n"), "t.yaml:1: a key must be a plain word");
  EXPECT_EQ(ErrorOf("kind: Tenant\nname: \"a\\0b\"\n"), "t.yaml:2: name: \"a?b\" has a control character in it");
  EXPECT_EQ(ErrorOf("kind: Tenant\nname: a\n<<: {labels: {}}\n"),
            "t.yaml:3: <<: unknown field; use one of name, labels, limits");
}

}  // namespace
}  // namespace bulkhead
