// The version of this build, "0.1.0". A constant of one file: a new version compiles that one and links.
#pragma once

namespace bulkhead {

extern const char* const kVersion;

}  // namespace bulkhead
