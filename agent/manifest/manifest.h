// YAML ↔ proto, with the proto as the one schema: field names, presence, units and lists come from the descriptors.
// Errors name file, line and field path; several in one file are reported together, one per line.
#pragma once

#include <string>
#include <vector>

#include "agent/base/status.h"
#include "bulkhead/v1/config.pb.h"
#include "bulkhead/v1/node_service.pb.h"

namespace bulkhead {

// All documents of one text. `name` is for messages. Unknown kinds and fields, wrong types, bad units and duplicate
// keys are errors; then nothing is returned.
Result<std::vector<v1::Object>> ParseManifest(const std::string& text, const std::string& name);

// Every *.yaml and *.yml of a folder in order of name, or one file, or "-" for standard input. The same object twice is
// an error that names both places.
Result<std::vector<v1::Object>> LoadManifests(const std::vector<std::string>& paths);

// Sets one field by path: SetField(task, "limits.memory.max", "256MiB"). Same rules as in a manifest.
Status SetField(google::protobuf::Message& message, const std::string& path, const std::string& value);

// The manifest form of an object or any API message, quantities with units where they come out even.
std::string ToYaml(const google::protobuf::Message& message);
std::string ToYaml(const v1::Object& object);  // with kind:

// bulkheadd.yaml with every default filled in and every value checked.
Result<v1::Config> ParseConfig(const std::string& text, const std::string& name);
Result<v1::Config> LoadConfig(const std::string& path);
v1::Config DefaultConfig();

}  // namespace bulkhead
