#include "agent/kernel/features.h"

#include <fcntl.h>
#include <linux/bpf.h>

#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <sstream>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fmt/format.h>

#include "agent/base/file_io.h"

namespace bulkhead {
namespace {

constexpr int kTcxIngress = 46;  // BPF_TCX_INGRESS, which the headers of Debian 12 do not know

struct BtfDeleter {
  void operator()(btf* types) const noexcept { btf__free(types); }
};
using KernelTypes = std::unique_ptr<btf, BtfDeleter>;

// A program that does nothing but return `result`.
Result<UniqueFd> LoadNothing(bpf_prog_type type, bpf_attach_type attach, int result, uint32_t target = 0) {
  const std::array<bpf_insn, 2> instructions{{
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = result},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  }};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = attach;
  options.attach_btf_id = target;
  UniqueFd program(bpf_prog_load(type, "bulkhead_probe", "GPL", instructions.data(), instructions.size(), &options));
  if (!program.valid()) return Errno(errno, "load a program");
  return program;
}

// The kernel's function that a program of `type` is written for.
Result<UniqueFd> LoadFor(const btf* types, const char* function, bpf_prog_type type, bpf_attach_type attach,
                         int result) {
  if (types == nullptr) return FailedPrecondition("the kernel does not describe its types (btf)");
  const int id = btf__find_by_name_kind(types, function, BTF_KIND_FUNC);
  if (id <= 0) return FailedPrecondition(fmt::format("the kernel has no {}", function));
  return LoadNothing(type, attach, result, static_cast<uint32_t>(id));
}

Status CanOpen(int dir_fd, const char* file) { return OpenAt(dir_fd, file, O_WRONLY).status(); }

// Nothing is reclaimed where nothing is asked for.
Status TryReclaim(const CgroupMounts& mounts, int root_fd) {
  const CgroupHierarchy* memory = mounts.Carrier(Controller::kMemory);
  if (memory == nullptr || !memory->v2) return FailedPrecondition("the memory controller is not in cgroup v2");
  return WriteFileAt(root_fd, "memory.reclaim", "0");
}

// An interface that cannot be there: kernels that know tcx look for it, others do not know what is asked.
Status TryTcx() {
  BULKHEAD_ASSIGN(const UniqueFd program, LoadNothing(BPF_PROG_TYPE_SCHED_CLS, bpf_attach_type{}, 0));
  const UniqueFd link(bpf_link_create(program.get(), INT_MAX, static_cast<bpf_attach_type>(kTcxIngress), nullptr));
  if (link.valid() || errno == ENODEV) return Ok();
  return errno == EINVAL ? FailedPrecondition("the kernel does not know it: 6.6 and later do") : Errno(errno, "link");
}

// Programs load whether or not the kernel ever calls them.
Status TryLsm(const btf* types) {
  BULKHEAD_RETURN_IF_ERROR(LoadFor(types, "bpf_lsm_socket_create", BPF_PROG_TYPE_LSM, BPF_LSM_CGROUP, 1).status());
  const auto modules = ReadFile("/sys/kernel/security/lsm");
  if (!modules.ok()) return Ok();  // securityfs is not mounted: the load must do
  std::istringstream names(Trim(*modules));
  for (std::string name; std::getline(names, name, ',');)
    if (name == "bpf") return Ok();
  return FailedPrecondition(fmt::format("bpf is not among the active security modules: {}", Trim(*modules)));
}

Feature Make(const char* name, const Status& tried) { return {name, tried.ok(), tried.ok() ? "" : Message(tried)}; }

}  // namespace

std::vector<Feature> ProbeFeatures(const LibcgroupTree& tree) {
  const auto root = tree.OpenRoot();
  const int root_fd = root.ok() ? root->get() : -1;  // then each probe says that it cannot be opened
  const KernelTypes types(btf__load_vmlinux_btf());
  const Status described = types ? Ok() : Errno(errno, "read /sys/kernel/btf/vmlinux");
  return {
      Make("btf", described),
      Make("cgroup.kill", CanOpen(root_fd, "cgroup.kill")),
      Make("cgroup.freeze", CanOpen(root_fd, "cgroup.freeze")),
      Make("psi", ReadFileAt(root_fd, "cpu.pressure").status()),
      Make("memory.reclaim", TryReclaim(tree.mounts(), root_fd)),
      Make("sock_ops", LoadNothing(BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, 1).status()),
      Make("cgroup_iterator",
           LoadFor(types.get(), "bpf_iter_cgroup", BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, 0).status()),
      Make("tcx", TryTcx()),
      Make("lsm_cgroup", TryLsm(types.get())),
  };
}

}  // namespace bulkhead
