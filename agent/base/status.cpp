#include "agent/base/status.h"

#include <cerrno>
#include <cstring>

#include <absl/strings/cord.h>

namespace bulkhead {
namespace {

constexpr char kErrnoPayload[] = "bulkhead.errno";

StatusCode CodeFor(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return StatusCode::kPermissionDenied;
    case ENOENT:
    case ESRCH:
      return StatusCode::kNotFound;
    case EEXIST:
      return StatusCode::kAlreadyExists;
    case EINVAL:
    case ERANGE:
      return StatusCode::kInvalidArgument;
    case ENOSPC:
    case E2BIG:
    case ENOMEM:
    case EMFILE:
      return StatusCode::kResourceExhausted;
    case EBUSY:
    case EAGAIN:
    case EINTR:
      return StatusCode::kUnavailable;
    default:
      return StatusCode::kFailedPrecondition;
  }
}

}  // namespace

Status Ok() { return absl::OkStatus(); }
Status MakeStatus(StatusCode code, const std::string& message) { return Status(code, message); }
Status InvalidArgument(const std::string& message) { return MakeStatus(StatusCode::kInvalidArgument, message); }
Status NotFound(const std::string& message) { return MakeStatus(StatusCode::kNotFound, message); }
Status AlreadyExists(const std::string& message) { return MakeStatus(StatusCode::kAlreadyExists, message); }
Status FailedPrecondition(const std::string& message) { return MakeStatus(StatusCode::kFailedPrecondition, message); }
Status ResourceExhausted(const std::string& message) { return MakeStatus(StatusCode::kResourceExhausted, message); }
Status Unavailable(const std::string& message) { return MakeStatus(StatusCode::kUnavailable, message); }
Status PermissionDenied(const std::string& message) { return MakeStatus(StatusCode::kPermissionDenied, message); }
Status Internal(const std::string& message) { return MakeStatus(StatusCode::kInternal, message); }

Status Errno(int error, const std::string& what) {
  Status status(CodeFor(error), what + ": " + std::strerror(error));
  status.SetPayload(kErrnoPayload, absl::Cord(std::to_string(error)));
  return status;
}

std::optional<int> ErrnoOf(const Status& status) {
  auto payload = status.GetPayload(kErrnoPayload);
  if (!payload.has_value()) return std::nullopt;
  return std::stoi(std::string(*payload));
}

Status Annotate(const Status& status, const std::string& context) {
  if (status.ok()) return status;
  Status annotated(status.code(), context + ": " + Message(status));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { annotated.SetPayload(url, payload); });
  return annotated;
}

std::string Message(const Status& status) { return std::string(status.message()); }

}  // namespace bulkhead
