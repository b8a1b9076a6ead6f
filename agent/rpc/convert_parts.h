// What the convert_*.cpp files share. Not for other code: use convert.h.
#pragma once

#include <string>

#include <google/protobuf/map.h>

#include "agent/base/status.h"
#include "agent/model/network_policy.h"
#include "bulkhead/v1/policy.pb.h"

namespace bulkhead {

using LabelMap = google::protobuf::Map<std::string, std::string>;

// At most 64 labels. Keys: 1 to 63 of letters, digits, '.', '_', '-' and '/', values the same without '/' and possibly
// empty; a letter or digit first and last.
Result<Labels> DecodeLabels(const LabelMap& labels, const std::string& field);
void EncodeLabels(const Labels& labels, LabelMap& out);

// Text from outside as it may stand in a message: at most 80 bytes, without control characters.
std::string Printable(const std::string& text);

// Field paths have no object in front; DecodeObject adds it.
Result<PolicySpec> DecodePolicy(const v1::NetworkPolicy& policy);

}  // namespace bulkhead
