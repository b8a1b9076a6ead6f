// A race of our own code inside a callback of gRPC. The thread sanitizer must report it, with the suppressions and the
// order of tsan_locks.cpp in force: what silences the library must not silence us.
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server_builder.h>

#include "tests/support/temp_dir.h"

namespace {

int hits = 0;  // the race: gRPC's threads and one of ours count here without a lock

class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  Refusal() { Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "nothing is served")); }
  void OnDone() override { delete this; }
};

class Service final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    ++hits;
    return new Refusal;  // deletes itself when the call is done
  }
};

void Call(grpc::GenericStub& stub) {
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, "/seeded.Race/Call", grpc::ByteBuffer(), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, &queue);
  void* tag = nullptr;
  bool ok = false;
  (void)queue.Next(&tag, &ok);  // the only event there is
}

}  // namespace

int main() {
  const bulkhead::test::TempDir dir;
  const std::string address = "unix:" + dir / "race.sock";
  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(&service);
  const auto server = builder.BuildAndStart();
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  std::atomic<bool> stop = false;
  std::thread racer([&] {
    while (!stop.load(std::memory_order_relaxed)) ++hits;
  });
  for (int i = 0; i < 20; ++i) Call(stub);
  stop = true;
  racer.join();
  server->Shutdown();
  (void)std::printf("%d calls and counts, none found to race\n", hits);
}
