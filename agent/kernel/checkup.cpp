#include "agent/kernel/checkup.h"

#include <fmt/format.h>

#include "agent/base/host.h"

namespace bulkhead {

DiagnosisFacts LookOver(const LibcgroupTree& tree, const BpfPolicy& maps, const std::string& state_directory) {
  DiagnosisFacts facts;
  facts.kernel = KernelRelease();
  for (const auto& [kind, support] : tree.host().weaker)
    facts.unsupported.push_back(fmt::format("{}: {}", LimitName(kind), support.why));
  if (const auto held = EffectiveCapabilities(); held.ok()) facts.capabilities = *held;
  auto programs = maps.ForeignPrograms();
  if (programs.ok())
    facts.programs = *std::move(programs);
  else
    facts.programs_unknown = Message(programs.status());
  facts.state_directory = state_directory;
  facts.state_problem = Message(CheckWritable(state_directory));
  if (const auto available = DiskAvailable(state_directory); available.ok())
    facts.disk_available = *available;
  else if (facts.state_problem.empty())
    facts.state_problem = Message(available.status());
  return facts;
}

}  // namespace bulkhead
