// Names, prefixes and ports from text: no crash, and what is accepted reads back as the same value.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agent/model/ids.h"
#include "agent/model/ip_prefix.h"
#include "agent/model/network_policy.h"

namespace {

template <typename T, typename Parse, typename Show>
void RoundTrip(const std::string& text, Parse parse, Show show) {
  const bulkhead::Result<T> first = parse(text);
  if (!first.ok()) return;
  const bulkhead::Result<T> second = parse(show(*first));
  if (!second.ok() || !(*second == *first)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  using namespace bulkhead;
  RoundTrip<IpPrefix>(text, ParsePrefix, [](const IpPrefix& prefix) { return prefix.ToString(); });
  RoundTrip<PortRange>(text, ParsePortRange, [](const PortRange& range) { return range.ToString(); });
  (void)ParseAddress(text);
  (void)ParseTaskId(text);
  return 0;
}
