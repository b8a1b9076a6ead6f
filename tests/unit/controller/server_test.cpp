#include "controller/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include "agent/base/unique_fd.h"
#include "controller/show.h"
#include "tests/support/fake_clock.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"

namespace bulkhead {
namespace {

using test::IsOk;
using test::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ServerTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<ControllerServer>> Start(const std::string& address, const TlsFiles& tls = {}) {
    BULKHEAD_ASSIGN(std::unique_ptr<Store> store, Store::Open(dir_ / "controller.db", clock_));
    return ControllerServer::Start(address, tls, std::move(store));
  }
  test::TempDir dir_;
  FakeClock clock_;
  const std::string address_ = "unix://" + (dir_ / "c.sock");
};

TEST_F(ServerTest, ItsSocketIsItsUsersAlone) {
  BULKHEAD_TEST_ASSIGN(const auto server, Start(address_));
  struct stat info {};
  ASSERT_EQ(::stat((dir_ / "c.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
}

TEST_F(ServerTest, ASocketInUseIsNotTakenAndAStaleOneIs) {
  {
    BULKHEAD_TEST_ASSIGN(const auto server, Start(address_));
    EXPECT_THAT(Start(address_), StatusIs(StatusCode::kFailedPrecondition, HasSubstr("another process listens")));
    EXPECT_THAT(ShowNodes({.address = address_}), IsOk());
  }
  {  // what a killed controller leaves behind
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    (void)(dir_ / "c.sock").copy(name.sun_path, sizeof(name.sun_path) - 1);
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  }
  BULKHEAD_TEST_ASSIGN(const auto server, Start(address_));
  EXPECT_THAT(ShowNodes({.address = address_}), IsOk());
}

TEST_F(ServerTest, APortInUseIsAnError) {
  BULKHEAD_TEST_ASSIGN(const auto server, Start("127.0.0.1:0"));
  ASSERT_GT(server->port(), 0);
  EXPECT_THAT(Start("127.0.0.1:" + std::to_string(server->port())),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("in use")));
}

TEST_F(ServerTest, AnotherHostNeedsTls) {
  EXPECT_THAT(Start("0.0.0.0:0"), StatusIs(StatusCode::kInvalidArgument, HasSubstr("--tls-ca")));
  EXPECT_THAT(Start("127.0.0.1:0", {.ca = "x"}), StatusIs(StatusCode::kInvalidArgument, HasSubstr("all three")));
  EXPECT_THAT(Start("0.0.0.0:0", {.ca = "/none/ca", .cert = "b", .key = "c"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("/none/ca")));
  EXPECT_THAT(ShowNodes({.address = "example.org:1"}), StatusIs(StatusCode::kInvalidArgument, HasSubstr("leaves")));
}

TEST_F(ServerTest, AnAbsentControllerIsASentence) {
  EXPECT_THAT(ShowUsage({.address = address_}), StatusIs(StatusCode::kUnavailable, HasSubstr(address_)));
}

TEST_F(ServerTest, TablesAndJsonShowWhatWasReported) {
  BULKHEAD_TEST_ASSIGN(auto store, Store::Open(dir_ / "controller.db", clock_));
  v1::ReportHello hello;
  hello.set_node_id("node-1");
  hello.set_boot_id("boot-1");
  hello.set_agent_version("0.1.0");
  hello.set_ledger_id("ledger-1");
  ASSERT_THAT(store->Hello(hello), IsOk());
  v1::ReportBatch batch;
  batch.set_first_sequence(1);
  v1::UsageRecord& record = *batch.add_records();
  record.set_sequence(1);
  record.set_node_id("node-1");
  record.set_boot_id("boot-1");
  record.set_tenant("acme");
  record.set_task("web");
  record.set_task_uid("uid");
  record.mutable_usage()->set_cpu_ns(1'500'000'000);
  record.mutable_usage()->set_oom_kills(3);
  ASSERT_THAT(store->Ingest(hello, batch), IsOk());
  BULKHEAD_TEST_ASSIGN(const auto server, ControllerServer::Start(address_, {}, std::move(store)));

  EXPECT_THAT(ShowUsage({.address = address_}).value(),
              AllOf(HasSubstr("TENANT"), HasSubstr("acme"), HasSubstr("1.500"), HasSubstr(" 3 ")));
  EXPECT_THAT(ShowUsage({.address = address_, .tenant = "globex"}).value(), Not(HasSubstr("acme")));
  EXPECT_THAT(ShowUsage({.address = address_, .json = true}).value(),
              AllOf(HasSubstr("\"tenant\": \"acme\""), HasSubstr("\"cpuNs\": \"1500000000\"")));
  EXPECT_THAT(ShowNodes({.address = address_}).value(), AllOf(HasSubstr("node-1"), HasSubstr("2025-06-15T15:06:40Z")));
}

// A stream that does not begin with a hello is ended with a reason, and the next one works.
TEST_F(ServerTest, AReportBeginsWithOneHello) {
  BULKHEAD_TEST_ASSIGN(const auto server, Start(address_));
  const auto stub = v1::ControllerService::NewStub(DialController(address_, {}).value());
  for (const bool twice : {false, true}) {
    grpc::ClientContext context;
    const auto stream = stub->Report(&context);
    v1::ReportRequest request;
    v1::ReportResponse response;
    if (twice) {
      request.mutable_hello()->set_node_id("n");
      request.mutable_hello()->set_boot_id("b");
      request.mutable_hello()->set_agent_version("v");
      request.mutable_hello()->set_ledger_id("l");
      ASSERT_TRUE(stream->Write(request));
      ASSERT_TRUE(stream->Read(&response));
    } else {
      request.mutable_batch()->set_first_sequence(1);
    }
    (void)stream->Write(request);  // the server may be quicker
    EXPECT_FALSE(stream->Read(&response));
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("hello"));
  }
  EXPECT_THAT(ShowNodes({.address = address_}), IsOk());
}

}  // namespace
}  // namespace bulkhead
