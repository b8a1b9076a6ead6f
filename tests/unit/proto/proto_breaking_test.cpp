#include <fstream>
#include <functional>

#include <gmock/gmock.h>

#include "bulkhead/v1/options.pb.h"
#include "tests/unit/proto/schema.h"

namespace bulkhead {
namespace {

namespace pb = google::protobuf;

Lines Golden() {
  std::ifstream file(BULKHEAD_GOLDEN);
  Lines lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(Schema, BreaksNoPromise) {
  ASSERT_GT(Golden().size(), 200U) << "cannot read " BULKHEAD_GOLDEN;
  for (const std::string& change : BreakingChanges(Golden(), Describe(LoadOwnFiles(BULKHEAD_DESCRIPTORS))))
    ADD_FAILURE() << change << "\nClients, stored state or manifests depend on it. Add a new field instead.";
}

TEST(Schema, AllOfItIsPromised) {
  const Lines missing = BreakingChanges(Describe(LoadOwnFiles(BULKHEAD_DESCRIPTORS)), Golden());
  EXPECT_THAT(missing, testing::IsEmpty()) << "golden.txt lacks additions: ninja update_proto_golden";
}

// The rest proves the comparison itself: every kind of breaking edit of the real schema is seen and named.
class BreakingEdit : public testing::Test {
 protected:
  FileSet files_ = LoadOwnFiles(BULKHEAD_DESCRIPTORS);
  const Lines before_ = Describe(files_);

  Lines Changes() { return BreakingChanges(before_, Describe(files_)); }
  pb::FileDescriptorProto& File(const std::string& name) {
    for (auto& file : *files_.mutable_file())
      if (file.name() == "bulkhead/v1/" + name + ".proto") return file;
    ADD_FAILURE() << name;
    return *files_.add_file();
  }
  pb::DescriptorProto& Message(const std::string& file, const std::string& name) {
    for (auto& message : *File(file).mutable_message_type())
      if (message.name() == name) return message;
    ADD_FAILURE() << name;
    return *File(file).add_message_type();
  }
};

TEST_F(BreakingEdit, AdditionsPass) {
  pb::FieldDescriptorProto& field = *Message("task", "Task").add_field();
  field.set_name("image");
  field.set_number(99);
  field.set_type(pb::FieldDescriptorProto::TYPE_STRING);
  File("task").add_message_type()->set_name("Extra");
  auto& value = *File("task").mutable_enum_type(0)->add_value();
  value.set_name("ENFORCEMENT_PARTIAL");
  value.set_number(9);
  EXPECT_THAT(Changes(), testing::IsEmpty());
}

TEST_F(BreakingEdit, RemovedField) {
  Message("task", "Task").mutable_field()->RemoveLast();
  EXPECT_THAT(Changes(), testing::ElementsAre("removed: field bulkhead.v1.Task 5: repeated string addresses"));
}

TEST_F(BreakingEdit, RenumberedField) {
  Message("task", "Task").mutable_field(4)->set_number(17);
  EXPECT_THAT(Changes(), testing::ElementsAre("removed: field bulkhead.v1.Task 5: repeated string addresses (it has "
                                              "number 17 now)"));
}

TEST_F(BreakingEdit, RetypedField) {
  Message("limits", "PidsLimits").mutable_field(0)->set_type(pb::FieldDescriptorProto::TYPE_UINT32);
  EXPECT_THAT(Changes(), testing::ElementsAre("changed: field bulkhead.v1.PidsLimits 1: optional uint64 max → optional "
                                              "uint32 max"));
}

TEST_F(BreakingEdit, RenamedField) {
  auto& field = *Message("limits", "PidsLimits").mutable_field(0);
  field.set_name("maximum");
  field.set_json_name("maximum");
  EXPECT_THAT(Changes(), testing::ElementsAre("changed: field bulkhead.v1.PidsLimits 1: optional uint64 max → optional "
                                              "uint64 maximum"));
}

TEST_F(BreakingEdit, LostPresence) {
  auto& field = *Message("limits", "PidsLimits").mutable_field(0);
  field.clear_proto3_optional();
  field.clear_oneof_index();
  EXPECT_THAT(Changes(),
              testing::ElementsAre("changed: field bulkhead.v1.PidsLimits 1: optional uint64 max → uint64 max"));
}

TEST_F(BreakingEdit, ChangedLabel) {
  Message("task", "Task").mutable_field(4)->set_label(pb::FieldDescriptorProto::LABEL_OPTIONAL);
  EXPECT_THAT(Changes(), testing::ElementsAre("changed: field bulkhead.v1.Task 5: repeated string addresses → string "
                                              "addresses"));
}

TEST_F(BreakingEdit, FieldMovedOutOfItsOneof) {
  Message("node_service", "Object").mutable_field(0)->clear_oneof_index();
  EXPECT_THAT(Changes(),
              testing::ElementsAre("changed: field bulkhead.v1.Object 1: oneof kind bulkhead.v1.Tenant tenant "
                                   "→ bulkhead.v1.Tenant tenant"));
}

TEST_F(BreakingEdit, ChangedUnitOrListForm) {
  Message("limits", "MemoryLimits").mutable_field(0)->mutable_options()->ClearExtension(v1::unit);
  Message("policy", "BindRules").mutable_options()->ClearExtension(v1::list);
  EXPECT_THAT(
      Changes(),
      testing::ElementsAre("changed: field bulkhead.v1.MemoryLimits 1: optional uint64 max unit=UNIT_BYTES → optional "
                           "uint64 max",
                           "changed: message bulkhead.v1.BindRules: bulkhead/v1/policy.proto list → "
                           "bulkhead/v1/policy.proto"));
}

TEST_F(BreakingEdit, RemovedMessageAndItsFields) {
  auto& messages = *File("limits").mutable_message_type();
  ASSERT_EQ(messages.rbegin()->name(), "PidsLimits");
  messages.RemoveLast();
  EXPECT_THAT(Changes(), testing::ElementsAre("removed: field bulkhead.v1.PidsLimits 1: optional uint64 max",
                                              "removed: message bulkhead.v1.PidsLimits: bulkhead/v1/limits.proto"));
}

TEST_F(BreakingEdit, RemovedRenamedAndRenumberedEnumValues) {
  auto& values = *File("task").mutable_enum_type(0)->mutable_value();
  values.RemoveLast();
  values.Mutable(1)->set_name("ENFORCEMENT_OK");
  values.Mutable(2)->set_number(7);
  EXPECT_THAT(Changes(), testing::ElementsAre(
                             "changed: value bulkhead.v1.Enforcement 1: ENFORCEMENT_ENFORCED → ENFORCEMENT_OK",
                             "removed: value bulkhead.v1.Enforcement 2: ENFORCEMENT_DEGRADED (it has number 7 now)",
                             "removed: value bulkhead.v1.Enforcement 4: ENFORCEMENT_PENDING"));
}

TEST_F(BreakingEdit, ChangedAndRemovedRpcs) {
  auto& service = *File("fleet_service").mutable_service(0);
  service.mutable_method(0)->set_server_streaming(true);
  service.mutable_method()->RemoveLast();
  EXPECT_THAT(Changes(),
              testing::ElementsAre(
                  "removed: rpc bulkhead.v1.FleetService.GetTenantUsage: bulkhead.v1.GetTenantUsageRequest returns "
                  "bulkhead.v1.GetTenantUsageResponse",
                  "changed: rpc bulkhead.v1.FleetService.ListNodes: bulkhead.v1.ListNodesRequest returns "
                  "bulkhead.v1.ListNodesResponse → bulkhead.v1.ListNodesRequest returns stream "
                  "bulkhead.v1.ListNodesResponse"));
}

TEST_F(BreakingEdit, RemovedService) {
  File("fleet_service").clear_service();
  EXPECT_THAT(Changes(),
              testing::Contains("removed: service bulkhead.v1.FleetService: bulkhead/v1/fleet_service.proto"));
}

TEST_F(BreakingEdit, ReusedReservedNumber) {
  auto& range = *Message("task", "Task").add_reserved_range();
  range.set_start(40);
  range.set_end(42);
  const Lines golden = Describe(files_);
  EXPECT_THAT(BreakingChanges(golden, before_),
              testing::ElementsAre("removed: reserved bulkhead.v1.Task 40-41: number"));
}

}  // namespace
}  // namespace bulkhead
