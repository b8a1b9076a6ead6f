// Writes answers in the form that -o asks for.
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "agent/cli/cli.h"
#include "agent/cli/render.h"

namespace bulkhead::cli {

// json and yaml: the API message itself. False for the formats that are tables.
bool WriteMessage(const Cli& cli, const google::protobuf::Message& message);
std::string ToJson(const google::protobuf::Message& message, bool pretty);
void WriteTable(const Cli& cli, const Table& table);
std::string LocalTime(int64_t seconds);  // "2026-01-31 12:34:56", local time

}  // namespace bulkhead::cli
