// What the engine says of objects, as proto.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include "agent/engine/engine.h"
#include "agent/model/diagnosis.h"
#include "bulkhead/v1/node_service.pb.h"

namespace bulkhead {

v1::Enforcement EncodeEnforcement(Enforcement enforcement);
v1::ObjectStatus EncodeState(const ObjectState& state);
v1::ApplyOutcome EncodeOutcome(Outcome outcome);
v1::ApplyResult EncodeResult(const ObjectResult& result);
v1::Severity EncodeSeverity(Severity severity);
google::protobuf::Timestamp EncodeTime(WallTime time);

}  // namespace bulkhead
