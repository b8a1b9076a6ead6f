#include "agent/cli/client.h"

#include <grpcpp/create_channel_posix.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "agent/base/unique_fd.h"

namespace bulkhead::cli {
namespace {

constexpr std::chrono::seconds kConnectTimeout{5};
constexpr int kRemovalPollMs = 50;
constexpr int kMaxMessage = 256 << 20;  // a page of tasks or all usage; the agent is trusted

Status ConnectError(int error, const std::string& path) {
  const std::string what = "no connection to the agent at " + path;
  switch (error) {
    case ENOENT:
      return Unavailable(what + ": there is no such socket: start bulkheadd, or name its socket with --address");
    case ECONNREFUSED:
      return Unavailable(what + ": nobody listens there any more: start bulkheadd again");
    case EACCES:
    case EPERM:
      return PermissionDenied(what + ": Permission denied: use sudo");
    case EAGAIN:
    case EINPROGRESS:
      return Unavailable(what + ": it accepts no connections: is it overloaded or stopped? Try again");
    default:
      return Annotate(Errno(error, "connect"), what);
  }
}

// gRPC servers speak first: the settings frame means that the agent let us in, the end of the stream that it did not.
Status AwaitAdmission(int socket, const std::string& path, std::chrono::seconds timeout) {
  pollfd wait{.fd = socket, .events = POLLIN, .revents = 0};
  const auto ms = std::chrono::milliseconds(timeout).count();
  int ready = 0;
  while ((ready = ::poll(&wait, 1, static_cast<int>(ms))) < 0 && errno == EINTR) {
  }
  if (ready == 0)
    return Unavailable(fmt::format("the agent at {} does not answer: is it overloaded or stopped? Try again", path));
  char byte = 0;
  const ssize_t size = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (size > 0) return Ok();
  return PermissionDenied(fmt::format(
      "the agent at {} closed the connection: you may not use it: join group bulkhead (to look) or bulkhead-admin (to "
      "change), or use sudo; processes of tenants may never",
      path));
}

}  // namespace

std::string SocketPath(const std::string& address) {
  std::string path = address.substr(std::string("unix:").size());
  if (path.starts_with("//")) path.erase(0, 2);
  return path;
}

Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return Ok();
  return MakeStatus(static_cast<StatusCode>(status.error_code()), status.error_message());
}

Result<std::unique_ptr<Client>> Client::Connect(const Cli& cli) {
  const std::string path = SocketPath(cli.address);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return InvalidArgument(fmt::format("--address {}: too long", path));
  std::copy(path.begin(), path.end(), address.sun_path);

  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return Errno(errno, "make a socket");
  const std::chrono::seconds timeout = std::min(kConnectTimeout, cli.timeout);
  const timeval limit{.tv_sec = timeout.count(), .tv_usec = 0};
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));  // else connect could wait long
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return ConnectError(errno, path);
  BULKHEAD_RETURN_IF_ERROR(AwaitAdmission(socket.get(), path, timeout));

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessage);
  const auto channel = grpc::CreateCustomInsecureChannelFromFd("bulkheadd", socket.release(), arguments);
  return std::unique_ptr<Client>(new Client(v1::NodeService::NewStub(channel), cli.timeout));
}

Status Client::Delete(const v1::DeleteRequest& request, v1::DeleteResponse& response) {
  const Status removed = Call(&v1::NodeService::Stub::Delete, request, response);
  if (removed.code() != StatusCode::kUnavailable) return removed;
  const auto until = std::chrono::steady_clock::now() + kRemovalPatience;
  while (std::chrono::steady_clock::now() < until) {
    const Status found = Get(request.kind(), request.name());
    if (found.code() == StatusCode::kNotFound) return Ok();
    if (!found.ok()) break;  // no agent any more, say
    (void)::poll(nullptr, 0, kRemovalPollMs);
  }
  return removed;
}

Status Client::Get(const std::string& kind, const std::string& name) {
  if (kind == "tenant") {
    v1::GetTenantRequest request;
    v1::GetTenantResponse response;
    request.set_name(name);
    return Call(&v1::NodeService::Stub::GetTenant, request, response);
  }
  BULKHEAD_ASSIGN(const FullName task, SplitName(name));
  v1::GetTaskRequest request;
  v1::GetTaskResponse response;
  request.set_tenant(task.tenant);
  request.set_name(task.name);
  return Call(&v1::NodeService::Stub::GetTask, request, response);
}

}  // namespace bulkhead::cli
