// A YAML tree into a protobuf message, by the message's own descriptor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <google/protobuf/message.h>

#include "agent/manifest/report.h"
#include "agent/manifest/yaml_tree.h"

namespace bulkhead {

using ProtoMessage = google::protobuf::Message;  // Message() is the text of a Status

// Field path → line, for checks that come after parsing.
using Lines = std::map<std::string, int>;

// Merges `node` into `message`; what is wrong goes to `report` with the field path below `path`, and the rest is still
// read. `lines` may be null.
void DecodeYaml(const YamlNode& node, const std::string& path, ProtoMessage& message, Report& report,
                Lines* lines = nullptr);

// By proto name or JSON name; null when there is none.
const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor& message,
                                                   const std::string& name);
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& message);

// The message is written as a plain list (options.proto).
bool IsListMessage(const google::protobuf::Descriptor& message);

// Has a form of its own, a duration or a time.
bool IsScalarMessage(const google::protobuf::Descriptor& message);

// "NETWORK_BASELINE_ISOLATE" → "isolate".
std::string EnumName(const google::protobuf::EnumValueDescriptor& value);

}  // namespace bulkhead
