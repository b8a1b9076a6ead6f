#include "tests/kernel/crash_world.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>

#include <fmt/format.h>

#include "agent/rpc/convert.h"

namespace bulkhead::test {
namespace {

constexpr int kStalledMs = 20'000;  // an echo that takes this long will not come
constexpr int kPaceMs = 2;          // the traffic leaves the CPUs to the agents
constexpr unsigned kAgentSeconds = 100;
constexpr uint64_t kGoingOn = 3;

// One socket for as long as it works.
int EchoForEver(Transport transport, Tally& tally) {
  const UniqueFd fd = OpenSocket("127.0.0.1", transport);
  int error = ConnectTo(fd.get(), "127.0.0.1", kEchoPort, kStalledMs);
  while (error == 0) {
    error = Echo(fd.get(), kStalledMs);
    if (error == 0) ++tally.count;
    (void)::poll(nullptr, 0, kPaceMs);
  }
  tally.error = error;
  return 1;
}

int ProbeForEver(Tally& tally) {
  while (true) {
    for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
      const int error = Probe("127.0.0.1", kTrapPort, transport, 50);
      if (error != EPERM) tally.error = error == 0 ? EISCONN : error;
      ++tally.count;
    }
    (void)::poll(nullptr, 0, kPaceMs);
  }
}

int CountArrivals(Tallies& tallies) {
  UniqueFd sockets[4];
  if (const int error = EchoSockets(kTrapPort, sockets); error != 0) return error;
  ++tallies.servers.count;
  while (true) {
    pollfd entries[4];
    for (size_t i = 0; i < 4; ++i) entries[i] = {.fd = sockets[i].get(), .events = POLLIN, .revents = 0};
    if (::poll(entries, 4, -1) < 0) return errno;
    for (size_t i = 0; i < 4; ++i) {
      if (entries[i].revents == 0) continue;
      ++tallies.trap.count;
      char buffer[64];
      if (i % 2 == 0)
        (void)UniqueFd(::accept4(entries[i].fd, nullptr, nullptr, SOCK_CLOEXEC));
      else
        (void)::recv(entries[i].fd, buffer, sizeof(buffer), 0);
    }
  }
}

int SleepForEver() {
  while (true) ::pause();
  return 0;
}

}  // namespace

Result<std::unique_ptr<CrashWorld>> CrashWorld::Create() {
  std::unique_ptr<CrashWorld> world(new CrashWorld);
  BULKHEAD_ASSIGN(world->scratch_, ScratchTree::Create());
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return Errno(errno, "make namespaces");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return Errno(errno, "make mounts private");
  const std::string mount = world->directory_ / "bpf";
  if (::mkdir(mount.c_str(), 0700) != 0 || ::mount("bpf", mount.c_str(), "bpf", 0, nullptr) != 0)
    return Errno(errno, "mount bpf on " + mount);
  world->bpffs_ = mount + "/bulkhead";
  if (std::system("ip link set lo up") != 0) return Internal("ip link set lo up failed");
  void* shared = ::mmap(nullptr, sizeof(Tallies), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return Errno(errno, "share memory");
  world->tallies_ = new (shared) Tallies;
  return world;
}

CrashWorld::~CrashWorld() {
  sleepers_.clear();
  traffic_.clear();
  if (tallies_ != nullptr) ::munmap(tallies_, sizeof(Tallies));
  if (!bpffs_.empty()) ::umount2((directory_ / "bpf").c_str(), MNT_DETACH);
}

Result<StateStore::Loaded> CrashWorld::Saved() const {
  BULKHEAD_ASSIGN(const std::unique_ptr<StateStore> store, StateStore::Open(state_path(), {EncodeSpec, DecodeSpec}));
  return store->Load();
}

void CrashWorld::Add(std::vector<Member>& to, const std::string& task, const std::function<int()>& body) {
  ::fflush(nullptr);
  to.push_back({task, std::make_unique<Child>([&] {
                  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                  return body();
                })});
}

void CrashWorld::StartTraffic() {
  const auto after = [](const Gate& gate, const std::function<int()>& body) {
    return [&gate, body] { return gate.Pass(), body(); };
  };
  const auto echo = [this](uint16_t port) {
    return [this, port] { return EchoServer(port, [this] { ++tallies_->servers.count; }); };
  };
  Add(traffic_, "acme/web", after(servers_go_, echo(kEchoPort)));
  Add(traffic_, "acme/web", after(servers_go_, [this] { return CountArrivals(*tallies_); }));
  Add(traffic_, "", after(servers_go_, echo(kClosedPort)));
  Add(traffic_, "", after(servers_go_, echo(kOpenPort)));
  Add(traffic_, "acme/app", after(clients_go_, [this] { return EchoForEver(Transport::kTcp, tallies_->tcp); }));
  Add(traffic_, "acme/app", after(clients_go_, [this] { return EchoForEver(Transport::kUdp, tallies_->udp); }));
  Add(traffic_, "evil/probe", after(clients_go_, [this] { return ProbeForEver(tallies_->prober); }));
}

Status CrashWorld::Go() {
  servers_go_.Open();
  if (!Eventually([this] { return tallies_->servers.count == 4; })) return Internal("not all servers listen");
  clients_go_.Open();
  return CheckTraffic();
}

Status CrashWorld::CheckTraffic() const {
  const auto broken = [this] {
    std::string why;
    if (tallies_->tcp.error != 0) why += fmt::format("the allowed TCP flow broke, errno {}; ", tallies_->tcp.error);
    if (tallies_->udp.error != 0) why += fmt::format("the allowed UDP flow broke, errno {}; ", tallies_->udp.error);
    if (tallies_->trap.count != 0) why += fmt::format("{} denied packets arrived; ", tallies_->trap.count);
    if (tallies_->prober.error != 0) why += fmt::format("the prober met errno {}; ", tallies_->prober.error);
    return why;
  };
  const uint64_t tcp = tallies_->tcp.count, udp = tallies_->udp.count, probes = tallies_->prober.count;
  const bool moved = Eventually([&] {
    return !broken().empty() || (tallies_->tcp.count >= tcp + kGoingOn && tallies_->udp.count >= udp + kGoingOn &&
                                 tallies_->prober.count >= probes + kGoingOn);
  });
  if (const std::string why = broken(); !why.empty()) return Internal(why);
  return moved ? Ok() : Internal("the traffic stands still");
}

void CrashWorld::AddSleeper(const std::string& task) { Add(sleepers_, task, SleepForEver); }

void CrashWorld::ReviveSleepers() {
  std::vector<Member> all = std::move(sleepers_);
  sleepers_.clear();
  for (Member& member : all) {
    if (member.child->Alive())
      sleepers_.push_back(std::move(member));
    else
      AddSleeper(member.task);
  }
}

bool CrashWorld::SleeperAlive(const std::string& task) {
  for (const Member& member : sleepers_)
    if (member.task == task) return member.child->Alive();
  return false;
}

std::vector<CrashWorld::Placed> CrashWorld::placed() const {
  std::vector<Placed> all;
  for (const auto* members : {&traffic_, &sleepers_})
    for (const Member& member : *members)
      if (!member.task.empty()) all.push_back({member.task, member.child->pid()});
  return all;
}

int CrashWorld::ProbeHost(uint16_t port) {
  const UniqueFd cgroup(::open(scratch_->UnifiedDir("acme/flip").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof(arguments)));
  if (pid == 0) ::_exit(Probe("127.0.0.1", port, Transport::kTcp, kStalledMs));
  if (pid < 0) return errno;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

CrashWorld::Ended CrashWorld::RunAgent(const std::function<void(const Say&)>& body) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  const UniqueFd here(ends[0]);
  UniqueFd there(ends[1]);
  ::fflush(nullptr);
  Child agent([&] {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::alarm(kAgentSeconds);
    body([&](const std::string& line) { (void)!::write(there.get(), (line + "\n").c_str(), line.size() + 1); });
    return 0;
  });
  there.reset();
  Ended ended;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(here.get(), buffer, sizeof(buffer))) > 0;)
    ended.said.append(buffer, static_cast<size_t>(got));
  ended.code = agent.Wait();
  return ended;
}

}  // namespace bulkhead::test
