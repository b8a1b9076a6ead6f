// bulkheadd.yaml: whatever is accepted must be accepted again in its YAML form, and mean the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <google/protobuf/util/message_differencer.h>

#include "agent/manifest/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulkhead;
  const auto config = ParseConfig(std::string(reinterpret_cast<const char*>(data), size), "fuzz.yaml");
  if (!config.ok()) {
    if (Message(config.status()).rfind("fuzz.yaml:", 0) != 0) std::abort();  // every error names its place
    return 0;
  }
  const auto again = ParseConfig(ToYaml(*config), "again.yaml");
  if (!again.ok()) std::abort();
  if (!google::protobuf::util::MessageDifferencer::Equals(*again, *config)) std::abort();
  return 0;
}
