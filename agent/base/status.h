// Errors are values. A function either returns one of these or logs, never both. The message says what was tried and on
// what; callers add one noun with Annotate. Errors that came from the kernel keep their errno (ErrnoOf).
// absl appears here and nowhere else: Debian's absl::string_view is not std::string_view.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace bulkhead {

using Status = absl::Status;
template <typename T>
using Result = absl::StatusOr<T>;
using StatusCode = absl::StatusCode;

Status Ok();
Status MakeStatus(StatusCode code, const std::string& message);

Status InvalidArgument(const std::string& message);  // bad input; name the field path
Status NotFound(const std::string& message);         // no such object
Status AlreadyExists(const std::string& message);    // duplicate
Status FailedPrecondition(
    const std::string& message);  // the host or the state does not allow it; retrying does not help
Status ResourceExhausted(const std::string& message);  // a map, queue or quota is full
Status Unavailable(const std::string& message);        // retry later
Status PermissionDenied(const std::string& message);   // caller may not
Status Internal(const std::string& message);           // our bug

// "what: strerror". The code follows the errno: EPERM/EACCES PermissionDenied, ENOENT NotFound, EEXIST AlreadyExists,
// EINVAL InvalidArgument, ENOSPC/E2BIG/ENOMEM ResourceExhausted, EBUSY/EAGAIN Unavailable, else FailedPrecondition.
Status Errno(int error, const std::string& what);

// The errno that Errno() was given, through any number of Annotate calls.
std::optional<int> ErrnoOf(const Status& status);

// Prefixes the message with "context: "; ok stays ok; code and errno are kept.
Status Annotate(const Status& status, const std::string& context);

std::string Message(const Status& status);  // std::string, without the code

}  // namespace bulkhead

#define BULKHEAD_CONCAT_INNER(a, b) a##b
#define BULKHEAD_CONCAT(a, b) BULKHEAD_CONCAT_INNER(a, b)

#define BULKHEAD_RETURN_IF_ERROR(expr)                                                              \
  do {                                                                                              \
    if (::bulkhead::Status bulkhead_status = (expr); !bulkhead_status.ok()) return bulkhead_status; \
  } while (false)

// BULKHEAD_ASSIGN(UniqueFd fd, OpenControl(...));
#define BULKHEAD_ASSIGN(decl, expr) BULKHEAD_ASSIGN_IMPL(BULKHEAD_CONCAT(bulkhead_result_, __LINE__), decl, expr)
#define BULKHEAD_ASSIGN_IMPL(tmp, decl, expr) \
  auto tmp = (expr);                          \
  if (!tmp.ok()) return tmp.status();         \
  decl = *std::move(tmp)
