#include "agent/kernel/bpf_object.h"

#include <linux/capability.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <policy.skel.h>

#include "agent/base/file_io.h"
#include "agent/base/host.h"

namespace bulkhead {
namespace {

// What libbpf last complained about: the verifier's reason is only there. Core thread only, like every load.
std::string& Complaints() {
  static std::string complaints;
  return complaints;
}

int Complain(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char* line = nullptr;
  if (vasprintf(&line, format, arguments) < 0) return 0;
  Complaints() += line;
  std::free(line);
  return 0;
}

// The end says why; the log before it is the whole walk through the program.
std::string LastWords() {
  constexpr size_t kEnough = 600;
  const std::string& text = Complaints();
  return Trim(text.size() > kEnough ? text.substr(text.size() - kEnough) : text);
}

Status PrepareMaps(policy_bpf* skeleton, const PolicyObject::Options& options) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    if (bpf_map__is_internal(map)) continue;
    const std::string name = bpf_map__name(map);
    if (const auto held = options.maps.find(name); held != options.maps.end()) {
      if (bpf_map__reuse_fd(map, held->second) != 0) return Errno(errno, "use map " + name);
    } else if (!options.maps_dir.empty()) {
      const std::string path = options.maps_dir + "/" + name;
      if (bpf_map__set_pin_path(map, path.c_str()) != 0) return Errno(errno, "pin map at " + path);
    }
  }
  return Ok();
}

}  // namespace

Status CheckBpfPrivileges() {
  BULKHEAD_ASSIGN(const uint64_t held, EffectiveCapabilities());
  const auto has = [held](int capability) { return (held >> capability & 1) != 0; };
  std::string missing;
  const auto need = [&](bool fulfilled, const char* name) {
    if (!fulfilled) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  need(has(CAP_BPF) || has(CAP_SYS_ADMIN), "CAP_BPF");
  need(has(CAP_PERFMON) || has(CAP_SYS_ADMIN), "CAP_PERFMON");
  need(has(CAP_NET_ADMIN), "CAP_NET_ADMIN");
  if (missing.empty()) return Ok();
  return PermissionDenied("load network policy programs: this process lacks " + missing +
                          "; run it as root or grant these capabilities");
}

PolicyObject::PolicyObject(PolicyObject&&) noexcept = default;
PolicyObject& PolicyObject::operator=(PolicyObject&&) noexcept = default;
PolicyObject::~PolicyObject() = default;

void PolicyObject::Destroy::operator()(policy_bpf* skeleton) const noexcept { policy_bpf__destroy(skeleton); }

Result<PolicyObject> PolicyObject::Load(const Options& options) {
  BULKHEAD_RETURN_IF_ERROR(CheckBpfPrivileges());
  Complaints().clear();
  libbpf_set_print(Complain);
  policy_bpf* skeleton = policy_bpf__open();
  if (!skeleton) return Errno(errno, "open network policy programs");
  PolicyObject object(skeleton);
  skeleton->rodata->root_level = options.root_level;
  skeleton->rodata->root_cgroup_id = options.root_cgroup_id;
  BULKHEAD_RETURN_IF_ERROR(PrepareMaps(skeleton, options));
  if (const int error = policy_bpf__load(skeleton); error != 0)
    return FailedPrecondition(
        fmt::format("load network policy programs: {}: {}", Message(Errno(-error, "kernel")), LastWords()));
  return object;
}

int PolicyObject::ProgramFd(const std::string& name) const {
  const bpf_program* program = bpf_object__find_program_by_name(skeleton_->obj, name.c_str());
  return program ? bpf_program__fd(program) : -1;
}

int PolicyObject::MapFd(const std::string& name) const {
  const bpf_map* map = bpf_object__find_map_by_name(skeleton_->obj, name.c_str());
  return map ? bpf_map__fd(map) : -1;
}

}  // namespace bulkhead
