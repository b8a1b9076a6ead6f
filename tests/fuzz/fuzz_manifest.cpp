// Manifests: whatever is accepted must come back equal from its YAML form, and what the agent accepts of it must
// survive the state store.
#include <cstdint>
#include <cstdlib>
#include <string>

#include <google/protobuf/util/message_differencer.h>

#include "agent/manifest/manifest.h"
#include "agent/rpc/convert.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bulkhead;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto objects = ParseManifest(text, "fuzz.yaml");
  if (!objects.ok()) {
    if (Message(objects.status()).rfind("fuzz.yaml:", 0) != 0) std::abort();  // every error names its place
    return 0;
  }
  for (const v1::Object& object : *objects) {
    const auto again = ParseManifest(ToYaml(object), "again.yaml");
    if (!again.ok() || again->size() != 1) std::abort();
    if (!google::protobuf::util::MessageDifferencer::Equals(again->front(), object)) std::abort();
    const auto spec = DecodeObject(object);
    if (!spec.ok()) continue;
    const auto stored = DecodeSpec(EncodeSpec(*spec));
    if (!stored.ok() || *stored != *spec) std::abort();
  }
  return 0;
}
