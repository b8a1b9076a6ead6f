// Between manifest.cpp (one text) and load.cpp (files). Not for other code: use manifest.h.
#pragma once

#include <string>
#include <vector>

#include "agent/manifest/manifest.h"
#include "agent/manifest/report.h"

namespace bulkhead {

// The documents of one text; what is wrong goes to `report`, and then the objects are not to be used.
std::vector<ParsedObject> DecodeObjects(const std::string& text, Report& report);

// One error for each object that is there again.
void ReportDuplicates(const std::vector<ParsedObject>& objects, std::vector<std::string>& errors);

std::string NameOf(const v1::Object& object);  // "Task acme/web-1"
std::vector<v1::Object> WithoutPlaces(std::vector<ParsedObject> parsed);

// At most a little more than the parser accepts; "-" is standard input.
Result<std::string> ReadText(const std::string& path);

}  // namespace bulkhead
