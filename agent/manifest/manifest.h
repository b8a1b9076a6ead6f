// YAML ↔ proto, with the proto as the one schema: field names, presence, units and lists come from the descriptors.
// Every error is InvalidArgument and reads "FILE:LINE: field.path: what is wrong"; all errors of a text are reported
// together, one per line (the first 50). Files that cannot be read keep the code of their errno. Any thread.
//
// Form: names and types only. Whether values are in range is rpc/convert's and the engine's question, so that every
// client gets the same answer; see ParsedObject for their place in a file.
//
// Bounds per text, so that no input can exhaust the reader: 1 MiB, 200000 nodes after expansion of aliases, 32 levels.
// Beyond the YAML core there are: aliases (no merge keys), quantities with units (quantity.h). A field without a value
// (`ingress:`) is an error, since "nothing" and "everything" would look alike.
#pragma once

#include <string>
#include <vector>

#include "agent/base/status.h"
#include "bulkhead/v1/config.pb.h"
#include "bulkhead/v1/node_service.pb.h"

namespace bulkhead {

// One document and where it stands.
struct ParsedObject {
  v1::Object object;
  std::string file;  // as the caller named it; "-" for standard input
  int line = 0;      // first line of the document, from 1
};

// All documents of one text. `name` is for messages. Unknown kinds and fields, wrong types, bad units, duplicate keys,
// a missing name and the same object twice are errors; then nothing is returned. Empty documents are skipped.
Result<std::vector<ParsedObject>> ParseObjects(const std::string& text, const std::string& name);
Result<std::vector<v1::Object>> ParseManifest(const std::string& text, const std::string& name);

// Every *.yaml and *.yml of a folder in order of name (not of its subfolders), or one file, or "-" for standard input.
// The same object twice is an error that names both places.
Result<std::vector<ParsedObject>> LoadObjects(const std::vector<std::string>& paths);
Result<std::vector<v1::Object>> LoadManifests(const std::vector<std::string>& paths);

// Sets one field by path: SetField(task, "limits.memory.max", "256MiB"). Same rules as in a manifest; a list or a
// mapping is written in flow style: SetField(task, "addresses", "[10.0.0.1]"). On error the message is unchanged.
Status SetField(google::protobuf::Message& message, const std::string& path, const std::string& value);

// Every path that SetField takes, in order of the schema: "limits.memory.max"; of a mapping with keys of the user's
// "labels.", to be followed by a key.
std::vector<std::string> SettableFields(const google::protobuf::Descriptor& message);

// The manifest form of an object or any API message, quantities with units where they come out even. What can be
// parsed comes back equal.
std::string ToYaml(const google::protobuf::Message& message);
std::string ToYaml(const v1::Object& object);  // with kind:

// bulkheadd.yaml with every default filled in and every value checked. An empty text is the default.
Result<v1::Config> ParseConfig(const std::string& text, const std::string& name);
Result<v1::Config> LoadConfig(const std::string& path);
v1::Config DefaultConfig();

}  // namespace bulkhead
