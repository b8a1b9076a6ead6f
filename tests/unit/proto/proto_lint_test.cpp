#include <functional>

#include <gmock/gmock.h>

#include "tests/unit/proto/schema.h"

namespace bulkhead {
namespace {

namespace pb = google::protobuf;

FileSet Real() { return LoadOwnFiles(BULKHEAD_DESCRIPTORS); }

pb::FileDescriptorProto& File(FileSet& files, const std::string& name) {
  for (auto& file : *files.mutable_file())
    if (file.name() == "bulkhead/v1/" + name + ".proto") return file;
  ADD_FAILURE() << name;
  return *files.add_file();
}

// What the linter says of the schema after an edit.
Lines After(const std::string& name, const std::function<void(pb::FileDescriptorProto&)>& edit) {
  FileSet files = Real();
  edit(File(files, name));
  return Lint(files);
}

TEST(Schema, KeepsTheStandardRules) {
  ASSERT_GE(Real().file_size(), 10);
  for (const std::string& finding : Lint(Real())) ADD_FAILURE() << finding;
}

TEST(Lint, FindsNamesOutOfStyle) {
  EXPECT_THAT(After("tenant", [](auto& file) { file.mutable_message_type(0)->mutable_field(0)->set_name("Name"); }),
              testing::Contains("bulkhead.v1.Tenant.Name: must be lower_snake_case"));
  EXPECT_THAT(After("tenant", [](auto& file) { file.add_message_type()->set_name("bad_name"); }),
              testing::IsSupersetOf({std::string("bulkhead.v1.bad_name: must be PascalCase"),
                                     std::string("bulkhead.v1.bad_name: needs a comment")}));
  EXPECT_THAT(After("fleet_service", [](auto& file) { file.mutable_service(0)->set_name("Fleet"); }),
              testing::Contains("bulkhead.v1.Fleet: must be PascalCase and end with Service"));
  EXPECT_THAT(After("fleet_service", [](auto& file) { file.set_name("bulkhead/fleet_service.proto"); }),
              testing::ElementsAre("bulkhead/fleet_service.proto: must lie in a folder like its package bulkhead.v1"));
}

TEST(Lint, FindsEnumsOutOfStyle) {
  EXPECT_THAT(
      After("task",
            [](auto& file) {
              file.mutable_enum_type(0)->mutable_value(0)->set_name("ENFORCEMENT_NONE");
              file.mutable_enum_type(0)->mutable_value(1)->set_name("ENFORCED");
            }),
      testing::UnorderedElementsAre("bulkhead.v1.ENFORCEMENT_NONE: the zero value must be ENFORCEMENT_UNSPECIFIED",
                                    "bulkhead.v1.ENFORCED: must start with ENFORCEMENT_"));
}

TEST(Lint, FindsRequestsThatAreNotTheirRpcsOwn) {
  EXPECT_THAT(After("fleet_service",
                    [](auto& file) {
                      file.mutable_service(0)->mutable_method(0)->set_input_type(".bulkhead.v1.GetTenantUsageRequest");
                    }),
              testing::UnorderedElementsAre("bulkhead.v1.FleetService.ListNodes: must take ListNodesRequest",
                                            "bulkhead.v1.GetTenantUsageRequest: is used by more than one rpc"));
}

TEST(Lint, FindsMissingCommentsAndUnusedImports) {
  EXPECT_THAT(After("limits", [](auto& file) { file.clear_source_code_info(); }),
              testing::Contains("bulkhead.v1.PidsLimits.max: needs a comment"));
  EXPECT_THAT(After("tenant", [](auto& file) { file.add_dependency("google/protobuf/duration.proto"); }),
              testing::ElementsAre("bulkhead/v1/tenant.proto: does not use google/protobuf/duration.proto"));
}

}  // namespace
}  // namespace bulkhead
