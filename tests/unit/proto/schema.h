// The schema as lines of text, what may not change in it, and the style it keeps.
#pragma once

#include <string>
#include <vector>

#include <google/protobuf/descriptor.pb.h>

namespace bulkhead {

using FileSet = google::protobuf::FileDescriptorSet;
using Lines = std::vector<std::string>;

// A descriptor set that protoc wrote, without the files that are not ours. Empty when it cannot be read.
FileSet LoadOwnFiles(const std::string& path);

// One line, "what: form", sorted, for each thing that clients, stored state or manifests depend on:
// "field bulkhead.v1.CpuLimits 1: optional double max unit=UNIT_CPUS".
Lines Describe(const FileSet& files);

// What of `golden` is gone or different in `now`, named for people. New lines are no breaking change.
Lines BreakingChanges(const Lines& golden, const Lines& now);

// Where the files leave the rules that matter of buf's STANDARD set, or the house style's rules on comments.
Lines Lint(const FileSet& files);

}  // namespace bulkhead
