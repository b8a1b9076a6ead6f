#include "tests/support/live_node.h"

#include <grp.h>
#include <grpcpp/create_channel_posix.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>

#include "agent/rpc/convert.h"

namespace bulkhead::test {
namespace {

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.status().ToString();
    std::abort();
  }
  return *std::move(result);
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

void SendFd(int through, int fd) {
  char byte = 'f';
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.data(), .msg_controllen = control.size()};
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  (void)!::sendmsg(through, &message, 0);
}

UniqueFd ReceiveFd(int through) {
  char byte = 0;
  iovec data{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.data(), .msg_controllen = control.size()};
  if (::recvmsg(through, &message, MSG_CMSG_CLOEXEC) <= 0) return UniqueFd();
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return UniqueFd();
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return UniqueFd(fd);
}

}  // namespace

ConnectionAs::ConnectionAs(const std::string& path, uint32_t uid, const std::vector<uint32_t>& groups) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return;
  stay_.reset(ends[0]);
  UniqueFd child_end(ends[1]);
  const sockaddr_un address = AddressOf(path);
  const std::vector<gid_t> gids(groups.begin(), groups.end());
  pid_ = ::fork();
  if (pid_ == 0) {  // system calls only: the parent has threads
    stay_.reset();
    const int connection = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::setgroups(gids.size(), gids.data()) != 0 || ::setresgid(65534, 65534, 65534) != 0 ||
        ::setresuid(uid, uid, uid) != 0 ||
        ::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      ::_exit(1);
    SendFd(child_end.get(), connection);
    char byte = 0;
    (void)!::read(child_end.get(), &byte, 1);  // until the other end is closed
    ::_exit(0);
  }
  child_end.reset();
  fd = ReceiveFd(stay_.get());
}

ConnectionAs::~ConnectionAs() {
  stay_.reset();
  if (pid_ > 0) (void)::waitpid(pid_, nullptr, 0);
}

UniqueFd ConnectTo(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) fd.reset();
  return fd;
}

bool ClosedByPeer(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  if (::poll(&wait, 1, 10'000) != 1) return false;
  char byte = 0;
  return ::recv(fd, &byte, 1, MSG_PEEK) <= 0;
}

std::shared_ptr<grpc::Channel> ChannelOn(UniqueFd connection) {
  return grpc::CreateInsecureChannelFromFd("test", connection.release());
}

std::unique_ptr<v1::NodeService::Stub> StubOn(std::shared_ptr<grpc::Channel> channel) {
  return v1::NodeService::NewStub(std::move(channel));
}

LiveNode::LiveNode(Options options) : events(clock, options.events) {
  std::string pattern = (std::filesystem::temp_directory_path() / "bh-live-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  (void)::chmod(folder_.c_str(), 0755);  // other users of a test may get to the socket
  socket_ = folder_ + "/node.sock";
  loop_ = Must(EventLoop::Create(options.inbox));
  store_ = Must(StateStore::Open(folder_ + "/state.db", {.encode = EncodeSpec, .decode = DecodeSpec}));
  ledger_ = Must(Ledger::Open(folder_ + "/ledger.db", "boot", 1U << 20U));
  sampler = std::make_unique<Sampler>(usage, *ledger_, clock, "boot");
  engine = std::make_unique<Engine>(
      Engine::Parts{.tree = tree,
                    .maps = maps,
                    .store = *store_,
                    .clock = clock,
                    .events = events,
                    .disk_under = [](const std::string& path) -> Result<DiskId> { return NotFound(path); }},
      Baseline::kIsolate, [this](const LiveTask& task) { return sampler->Final(task); });
  api_ = std::make_unique<NodeApi>(
      NodeApi::Parts{.engine = *engine,
                     .events = events,
                     .ledger = *ledger_,
                     .sampler = *sampler,
                     .clock = clock,
                     .read_tenant = [this](const TenantId& tenant) { return usage.Read(PathOf(tenant)); },
                     .map_use = [this] { return maps.Use(); },
                     .controller = [] { return ReportState(); },
                     .ready = [] { return true; },
                     .load = [] { return LoadState{}; },
                     .reload = options.reload,
                     .look_over = [this] { return host; }},
      NodeFacts{.node_id = "test-node",
                .boot_id = "boot",
                .cgroup_root = "/fake",
                .cgroup_mode = "unified",
                .features = {{"btf", true, ""}, {"tcx", false, "not here"}}});
  const Status recovered = engine->Recover();
  EXPECT_TRUE(recovered.ok()) << recovered.ToString();
  auto listener =
      Must(Listener::Create({.path = socket_, .rules = options.rules, .max_connections = options.max_connections}));
  server_ = Must(Server::Start(std::move(listener), *loop_, *api_));
  server_->SetServing(true);
  if (options.run) thread_ = std::thread([this] { (void)loop_->Run(); });
}

void LiveNode::Stop() {
  if (thread_.joinable()) {
    loop_->Stop();
    thread_.join();
  }
  server_.reset();
}

LiveNode::~LiveNode() {
  Stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void LiveNode::OnCore(const std::function<void()>& work) {
  std::promise<void> done;
  ASSERT_TRUE(loop_
                  ->Post([&] {
                    work();
                    done.set_value();
                  })
                  .ok());
  done.get_future().wait();
}

std::promise<void> LiveNode::HoldCore() {
  std::promise<void> release;
  std::promise<void> held;
  std::shared_future<void> until = release.get_future().share();
  EXPECT_TRUE(loop_
                  ->Post([&held, until] {
                    held.set_value();
                    until.wait();
                  })
                  .ok());
  held.get_future().wait();
  return release;
}

}  // namespace bulkhead::test
