// The tree of verbs and options for whoever reads it instead of running it: the manual page.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace bulkhead::cli {

// The tree lives only as long as `look` runs.
void WithTree(const std::function<void(const CLI::App&)>& look);

}  // namespace bulkhead::cli
