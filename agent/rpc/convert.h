// Proto ↔ values. Everything that comes from outside is checked here, before any other part sees it; what these
// functions return is within range and safe to act on. Pure functions, any thread.
//
// Every error is InvalidArgument and names the object and the field path:
// "task acme/web-1: limits.memory.max: out of range, use 4KiB to 1EiB".
#pragma once

#include <string>

#include "agent/base/status.h"
#include "agent/model/specs.h"
#include "agent/model/usage.h"
#include "agent/usage/ledger.h"
#include "bulkhead/v1/limits.pb.h"
#include "bulkhead/v1/node_service.pb.h"
#include "bulkhead/v1/policy.pb.h"
#include "bulkhead/v1/usage.pb.h"

namespace bulkhead {

// One object. Whether its tenant exists and whether the set is consistent is the engine's question.
Result<ObjectSpec> DecodeObject(const v1::Object& object);
v1::Object EncodeObject(const ObjectSpec& spec);

// The three kinds by themselves, for Get and List.
v1::Tenant EncodeTenant(const TenantSpec& spec);
v1::Task EncodeTask(const TaskSpec& spec);
v1::NetworkPolicy EncodePolicy(const PolicySpec& spec);

// `field` is the path in messages, "limits". CPUs become microseconds per 100 ms, rounded to the nearest; a sub-message
// without a field in it (`cpu: {}`) limits nothing and is the same as none.
Result<LimitSpec> DecodeLimits(const v1::Limits& limits, const std::string& field);
v1::Limits EncodeLimits(const LimitSpec& spec);  // only the parts that limit something
v1::Limits EncodeLimits(const Limits& limits);

// The network.baseline of the configuration: "isolate", "deny" or "allow".
Result<Baseline> ParseBaseline(const std::string& text);
v1::NetworkBaseline EncodeBaseline(Baseline baseline);

// The codec of StateStore: a serialized v1::Object. DecodeSpec checks like DecodeObject.
std::string EncodeSpec(const ObjectSpec& spec);
Result<ObjectSpec> DecodeSpec(const std::string& bytes);

// Only directions, scopes and reasons with a count above zero are written.
v1::Usage EncodeUsage(const UsageReading& reading);  // memory_byte_seconds is 0
v1::Usage EncodeUsage(const UsageTotals& totals);
// Unknown scopes, reasons and directions, and the same one twice, are errors. `at` is not on the wire: zero, in a
// record its end.
Result<UsageTotals> DecodeUsage(const v1::Usage& usage);

v1::UsageRecord EncodeRecord(const UsageRecord& record, const std::string& node_id);
// An interval that ends before it starts, a sequence of 0, bad names and an empty boot id or uid are errors.
Result<UsageRecord> DecodeRecord(const v1::UsageRecord& record);

}  // namespace bulkhead
