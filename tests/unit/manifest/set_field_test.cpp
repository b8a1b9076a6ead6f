#include <gmock/gmock.h>

#include "agent/manifest/manifest.h"

namespace bulkhead {
namespace {

v1::Task BaseTask() {
  v1::Task task;
  task.set_tenant("acme");
  task.mutable_limits()->mutable_memory()->set_max(1);
  task.add_addresses("10.0.0.1");
  return task;
}

TEST(SetField, SetsOneFieldAndLeavesTheRest) {
  v1::Task task = BaseTask();
  ASSERT_TRUE(SetField(task, "limits.memory.max", "256MiB").ok());
  ASSERT_TRUE(SetField(task, "limits.cpu.max", "500m").ok());
  ASSERT_TRUE(SetField(task, "name", "true").ok());
  ASSERT_TRUE(SetField(task, "labels.app.kubernetes.io/name", "a: b").ok());
  EXPECT_EQ(task.limits().memory().max(), 268435456U);
  EXPECT_EQ(task.limits().cpu().max(), 0.5);
  EXPECT_EQ(task.name(), "true");
  EXPECT_EQ(task.labels().at("app.kubernetes.io/name"), "a: b");
  EXPECT_EQ(task.tenant(), "acme");
}

TEST(SetField, ListsAndMappingsAreReplacedWhole) {
  v1::Task task = BaseTask();
  ASSERT_TRUE(SetField(task, "addresses", "[10.0.0.2, 10.0.0.3]").ok());
  EXPECT_EQ(task.addresses_size(), 2);
  ASSERT_TRUE(SetField(task, "limits", "{pids: {max: 5}}").ok());
  EXPECT_FALSE(task.limits().has_memory());
  EXPECT_EQ(task.limits().pids().max(), 5U);
  v1::NetworkPolicy policy;
  ASSERT_TRUE(SetField(policy, "ingress", "[]").ok());
  EXPECT_TRUE(policy.has_ingress());
}

TEST(SetField, ErrorsNameThePathAndChangeNothing) {
  v1::Task task = BaseTask();
  const auto error = [&](const std::string& path, const std::string& value) {
    return Message(SetField(task, path, value));
  };
  EXPECT_EQ(error("limits.memory.max", "12XB"),
            "limits.memory.max: \"12XB\" is not a byte quantity: use 512MiB, 4GiB, 10MB");
  EXPECT_EQ(error("limits.memry.max", "1"), "limits.memry: unknown field; did you mean \"memory\"?");
  EXPECT_EQ(error("limits.memory.max.x", "1"), "limits.memory.max.x: max has no fields of its own");
  EXPECT_EQ(error("limits.memory.max", ""), "limits.memory.max: has no value: give one or leave the field out");
  EXPECT_EQ(error("addresses", "10.0.0.2"), "addresses: \"10.0.0.2\" is a single value, but a list is needed");
  EXPECT_THAT(error("addresses", "[10.0.0.2"), testing::StartsWith("addresses: not valid YAML: "));
  EXPECT_EQ(error("", "1"), "the path of the field to set is empty: write limits.memory.max");
  EXPECT_EQ(task.SerializeAsString(), BaseTask().SerializeAsString());
}

TEST(SetField, TakesEveryPathThatIsListedAsSettable) {
  const std::vector<std::string> paths = SettableFields(*v1::Task::descriptor());
  EXPECT_THAT(paths, testing::IsSupersetOf({"limits.cpu.max", "limits.memory.max", "addresses", "labels."}));
  for (const std::string& path : paths) {
    v1::Task task;
    const std::string full = path.ends_with('.') ? path + "key" : path;
    const Status one = SetField(task, full, "1");
    const Status list = SetField(task, full, "[]");
    const Status flag = SetField(task, full, "true");
    EXPECT_TRUE(one.ok() || list.ok() || flag.ok()) << path << ": " << Message(one);
  }
}

}  // namespace
}  // namespace bulkhead
