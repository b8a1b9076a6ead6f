#include "agent/rpc/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>

#include <fmt/format.h>

#include "agent/base/log.h"

namespace bulkhead {
namespace {

constexpr int kBacklog = 64;

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return InvalidArgument(fmt::format("socket {}: the path must have 1 to {} bytes: set paths.socket", path,
                                       sizeof(address.sun_path) - 1));
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

int Bind(int socket, const sockaddr_un& address) {
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
}

// Ok: the file is a left-over socket, and gone now.
Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return errno == ENOENT ? Ok() : Errno(errno, "look at socket " + path);
  if (!S_ISSOCK(info.st_mode))
    return AlreadyExists(
        fmt::format("socket {}: a file that is no socket is in the way: remove it or set paths.socket", path));
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return Errno(errno, "make a socket");
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 || errno == EAGAIN)
    return AlreadyExists(fmt::format("socket {}: another agent is listening there: stop it or set paths.socket", path));
  if (errno != ECONNREFUSED) return Errno(errno, "try socket " + path);
  if (::unlink(path.c_str()) != 0) return Errno(errno, "remove stale socket " + path);
  return Ok();
}

Status BindAndListen(int socket, const std::string& path) {
  BULKHEAD_ASSIGN(const sockaddr_un address, AddressOf(path));
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code made;
  if (!folder.empty()) std::filesystem::create_directories(folder, made);
  if (made) return Errno(made.value(), fmt::format("make folder {} for the socket", folder.string()));
  int error = Bind(socket, address);
  if (error == EADDRINUSE) {
    BULKHEAD_RETURN_IF_ERROR(RemoveStale(path, address));
    error = Bind(socket, address);
  }
  if (error != 0) return Errno(error, "bind socket " + path);
  if (::chmod(path.c_str(), 0666) != 0) return Errno(errno, "open up socket " + path);
  if (::listen(socket, kBacklog) != 0) return Errno(errno, "listen on socket " + path);
  return Ok();
}

Status Watch(int epoll, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? Ok() : Errno(errno, "watch a connection");
}

}  // namespace

Listener::Listener(Options options, UniqueFd socket, UniqueFd epoll, UniqueFd stop)
    : options_(std::move(options)),
      rules_(options_.rules),
      socket_(std::move(socket)),
      epoll_(std::move(epoll)),
      stop_(std::move(stop)) {}

Result<std::unique_ptr<Listener>> Listener::Create(Options options) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!socket.valid() || !epoll.valid() || !stop.valid()) return Errno(errno, "make the listening socket");
  BULKHEAD_RETURN_IF_ERROR(BindAndListen(socket.get(), options.path));
  BULKHEAD_RETURN_IF_ERROR(Watch(epoll.get(), socket.get(), EPOLLIN));
  BULKHEAD_RETURN_IF_ERROR(Watch(epoll.get(), stop.get(), EPOLLIN));
  std::unique_ptr<Listener> listener(
      new Listener(std::move(options), std::move(socket), std::move(epoll), std::move(stop)));
  struct stat info {};
  if (::stat(listener->options_.path.c_str(), &info) != 0)
    return Errno(errno, "look at socket " + listener->options_.path);
  listener->device_ = info.st_dev;
  listener->inode_ = info.st_ino;
  return listener;
}

Listener::~Listener() {
  Stop();
  struct stat info {};
  if (::stat(options_.path.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_)
    (void)::unlink(options_.path.c_str());  // a file that stays is found stale by the next agent
}

Status Listener::Start(OnConnection on_connection) {
  on_connection_ = std::move(on_connection);
  // The core loop takes the process's signals; this thread must never.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &all, &before); error != 0) return Errno(error, "block signals");
  thread_ = std::thread([this] { Run(); });
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);  // puts back what was just read
  return Ok();
}

void Listener::SetRules(const AccessRules& rules) {
  rules_.With([&](AccessRules& now) { now = rules; });
}

void Listener::Stop() {
  const uint64_t one = 1;
  (void)!::write(stop_.get(), &one, sizeof(one));  // fails only when already readable
  if (thread_.joinable()) thread_.join();
  connections_.clear();
}

void Listener::Run() {
  std::array<epoll_event, 32> events{};
  while (true) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR)
      return log::Error("no longer accepting connections", {{"why", Errno(errno, "poll")}});
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == stop_.get()) return;
      if (fd == socket_.get()) {
        AcceptOne();
      } else {
        connections_.erase(fd);  // hung up; closing the duplicate takes it out of the epoll set as well
      }
    }
  }
}

void Listener::AcceptOne() {
  UniqueFd peer_fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer_fd.valid()) {
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return;  // the peer went away
    Refuse({}, Errno(errno, "accept"));
    // Out of descriptors the socket stays readable: look again when some may be free, or at once when stopped.
    pollfd stop{.fd = stop_.get(), .events = POLLIN, .revents = 0};
    (void)::poll(&stop, 1, 100);
    return;
  }
  const auto peer = ReadPeer(peer_fd.get());
  if (!peer.ok()) return Refuse({}, peer.status());
  if (const Status full = CheckCount(*peer); !full.ok()) return Refuse(*peer, full);
  const auto role = Admit(*peer, rules_.Get());
  if (!role.ok()) return Refuse(*peer, role.status());

  UniqueFd watch(::fcntl(peer_fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!watch.valid()) return Refuse(*peer, Errno(errno, "duplicate the connection"));
  const int key = watch.get();
  if (const Status watched = Watch(epoll_.get(), key, 0); !watched.ok()) return Refuse(*peer, watched);
  connections_[key] = Connection{.watch = std::move(watch), .uid = peer->uid};
  on_connection_(std::move(peer_fd), *role);
}

Status Listener::CheckCount(const PeerCredentials& peer) const {
  if (connections_.size() >= options_.max_connections)
    return ResourceExhausted(fmt::format("{} connections are open already", connections_.size()));
  if (peer.uid == 0) return Ok();
  const auto mine = std::count_if(connections_.begin(), connections_.end(),
                                  [&](const auto& entry) { return entry.second.uid == peer.uid; });
  if (static_cast<size_t>(mine) < options_.max_connections_per_user) return Ok();
  return ResourceExhausted(fmt::format("the user has {} connections open already", mine));
}

void Listener::Refuse(const PeerCredentials& peer, const Status& why) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_log_) {
    ++unlogged_;
    return;
  }
  log::Warning("connection refused", {{"pid", peer.pid}, {"uid", peer.uid}, {"why", why}, {"not_logged", unlogged_}});
  next_log_ = now + std::chrono::seconds(1);
  unlogged_ = 0;
}

}  // namespace bulkhead
