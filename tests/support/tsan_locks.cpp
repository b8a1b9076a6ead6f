// Shows the thread sanitizer what happens before what inside gRPC, in the builds that use it only.
//
// gRPC, absl and protobuf are Debian's, built without the sanitizer: it sees neither the atomics that absl::Mutex is
// made of nor the queues that carry an operation from the thread that starts it to the one that hears of its end, and
// would call every hand-over through them a race. So these definitions take the place of the libraries' own (the
// dynamic linker asks the program first), call them, and report the order that they make. Each edge is one that really
// exists; none is wider than the library promises. Not instrumented itself.

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <absl/base/options.h>
#include <absl/synchronization/mutex.h>
#include <grpc/grpc.h>
#include <grpcpp/support/server_callback.h>
#include <sanitizer/tsan_interface.h>

namespace {

#define BULKHEAD_TEXT(name) #name
#define BULKHEAD_TEXT_OF(name) BULKHEAD_TEXT(name)

// The library's definition of a symbol that this file defines, too.
template <typename Function>
Function* Next(const std::string& symbol) {
  void* const found = ::dlsym(RTLD_NEXT, symbol.c_str());
  if (found) return reinterpret_cast<Function*>(found);
  (void)std::fprintf(stderr, "tsan_locks: no library defines %s: its version changed\n", symbol.c_str());
  std::abort();
}

// A name in absl's versioned namespace as the linker knows it: Lock of Mutex without arguments → "5Mutex4LockEv".
template <typename Function>
Function* NextAbsl(const char* rest) {
  const std::string version = BULKHEAD_TEXT_OF(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  return Next<Function>("_ZN4absl" + std::to_string(version.size()) + version + rest);
}

// Readers are ordered after writers and before them, not among each other: they release on an address of their own.
void* Readers(absl::Mutex* mutex) { return reinterpret_cast<char*>(mutex) + 1; }

void Locked(absl::Mutex* mutex) {
  __tsan_acquire(mutex);
  __tsan_acquire(Readers(mutex));
}

}  // namespace

void absl::Mutex::Lock() {
  static auto* const next = NextAbsl<void(Mutex*)>("5Mutex4LockEv");
  next(this);
  Locked(this);
}

bool absl::Mutex::TryLock() {
  static auto* const next = NextAbsl<bool(Mutex*)>("5Mutex7TryLockEv");
  const bool locked = next(this);
  if (locked) Locked(this);
  return locked;
}

void absl::Mutex::Unlock() {
  static auto* const next = NextAbsl<void(Mutex*)>("5Mutex6UnlockEv");
  __tsan_release(this);
  next(this);
}

void absl::Mutex::ReaderLock() {
  static auto* const next = NextAbsl<void(Mutex*)>("5Mutex10ReaderLockEv");
  next(this);
  __tsan_acquire(this);
}

void absl::Mutex::ReaderUnlock() {
  static auto* const next = NextAbsl<void(Mutex*)>("5Mutex12ReaderUnlockEv");
  __tsan_release(Readers(this));
  next(this);
}

// Waiting gives the lock away and takes it back inside the library.
void absl::CondVar::Wait(Mutex* mutex) {
  static auto* const next = NextAbsl<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  next(this, mutex);
  Locked(mutex);
}

bool absl::CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const next =
      NextAbsl<bool(CondVar*, Mutex*, Duration)>("7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, timeout);
  Locked(mutex);
  return timed_out;
}

bool absl::CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const next = NextAbsl<bool(CondVar*, Mutex*, Time)>("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, deadline);
  Locked(mutex);
  return timed_out;
}

// An operation on a call is ordered before the callback that tells of its end: the tag is the callback.
extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count, void* tag,
                                                 void* reserved) {
  static auto* const next = Next<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  __tsan_release(tag);
  return next(call, ops, count, tag, reserved);
}

// grpc::internal::CallbackWithSuccessTag::StaticRun, private and inline in gRPC's headers: every reactor's callbacks.
#define BULKHEAD_STATIC_RUN "_ZN4grpc8internal22CallbackWithSuccessTag9StaticRunEP29grpc_completion_queue_functori"
void StaticRun(grpc_completion_queue_functor* tag, int ok) __asm__(BULKHEAD_STATIC_RUN);
void StaticRun(grpc_completion_queue_functor* tag, int ok) {
  static auto* const next = Next<void(grpc_completion_queue_functor*, int)>(BULKHEAD_STATIC_RUN);
  __tsan_acquire(tag);
  next(tag, ok);
}

// What gRPC does once the last of several has counted down, after all that those did before they counted. Some of them
// are our own callbacks, whose counting is seen; the last may be the library.
void grpc::internal::ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static auto* const next =
      Next<void(ServerCallbackCall*, bool)>("_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  __tsan_acquire(&callbacks_outstanding_);
  next(this, inline_ondone);
}

void grpc::internal::ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  static auto* const next = Next<void(ServerCallbackCall*, ServerReactor*)>(
      "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE");
  __tsan_acquire(&on_cancel_conditions_remaining_);
  next(this, reactor);
}

// A descriptor that gRPC closes. The sanitizer, told not to look at what gRPC does, would miss it, and as it does not
// know openat() it would take the next file of that number for the connection before it.
extern "C" int close(int fd) {
  static auto* const next = Next<int(int)>("close");
  return next(fd);
}
