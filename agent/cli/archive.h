// A compressed tar file.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/bundle.h"

namespace bulkhead::cli {

// Writes `files` below the folder `top` of a .tar.gz at `path`, readable by the caller only, whole or not at all. A
// file that is there is AlreadyExists, unless `replace`. Returns its size in bytes.
Result<size_t> WriteArchive(const std::string& path, bool replace, const std::string& top,
                            const std::vector<BundleFile>& files);

}  // namespace bulkhead::cli
