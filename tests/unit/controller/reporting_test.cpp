// The agent's report client against the real controller, and against controllers that lie, over a unix socket.
#include <cstdlib>
#include <functional>
#include <thread>

#include <grpcpp/server_builder.h>

#include "agent/rpc/report_client.h"
#include "controller/server.h"
#include "tests/support/fake_clock.h"
#include "tests/support/matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/controller/core_thread.h"

namespace bulkhead {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::IsOk;
using test::StatusIs;
using ::testing::HasSubstr;

// Polls: what it waits for happens on other threads.
bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + seconds(30);
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return false;
}

using Stream = grpc::ServerReaderWriter<v1::ReportResponse, v1::ReportRequest>;

// Says what a test tells it to.
class ScriptedController final : public v1::ControllerService::Service {
 public:
  ScriptedController(const std::string& address, std::function<void(Stream&)> script) : script_(std::move(script)) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + address, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~ScriptedController() override { server_->Shutdown(std::chrono::system_clock::now()); }
  grpc::Status Report(grpc::ServerContext*, Stream* stream) override {
    ++calls;
    script_(*stream);
    return grpc::Status::OK;
  }
  static void Answer(Stream& stream, uint64_t committed) {
    v1::ReportResponse response;
    response.set_committed_sequence(committed);
    stream.Write(response);
  }
  std::atomic<int> calls = 0;

 private:
  std::function<void(Stream&)> script_;
  std::unique_ptr<grpc::Server> server_;
};

class ReportingTest : public ::testing::Test {
 protected:
  ReportingTest() { OpenLedger(); }
  ~ReportingTest() override { client_.reset(); }

  void OpenLedger(uint64_t spool_max = 1 << 28) {
    client_.reset();
    core_ = std::make_unique<test::CoreThread>();
    ledger_.reset();
    ledger_ = *Ledger::Open(dir_ / "ledger.db", "boot-1", spool_max);
  }
  void StartController() {
    auto store = Store::Open(dir_ / "controller.db", clock_);
    ASSERT_THAT(store, IsOk());
    auto controller = ControllerServer::Start(address_, tls_, *std::move(store));
    ASSERT_THAT(controller, IsOk());
    controller_ = *std::move(controller);
  }
  void StartClient() {
    ReportOptions options;
    options.address = address_;
    options.tls_ca = tls_.ca;
    options.tls_cert = tls_.cert;
    options.tls_key = tls_.key;
    options.node_id = "node-1";
    options.boot_id = "boot-1";
    options.backoff_min = milliseconds(1);
    options.backoff_max = milliseconds(20);
    auto client = ReportClient::Start(
        options, *ledger_, [this](std::function<void()> work) { return core_->loop().Post(std::move(work)); });
    ASSERT_THAT(client, IsOk());
    client_ = *std::move(client);
  }
  // `count` more records, round robin over three tasks, 10 ns each.
  void Append(int count) {
    std::vector<UsageRecord> records;
    for (int i = 0; i < count; ++i) {
      ++appended_;
      UsageRecord record;
      record.boot_id = "boot-1";
      record.task = TaskId{"acme", "task-" + std::to_string(appended_ % 3)};
      record.task_uid = "uid-" + record.task.name;
      record.cgroup_id = 42;
      record.start_boot = seconds(1);
      record.end_boot = seconds(1) + milliseconds(appended_);
      record.totals.counters.cpu_ns = appended_ * 10;
      records.push_back(record);
    }
    ASSERT_THAT(core_->Do([&] { return ledger_->Append(records); }), IsOk());
    if (client_) client_->Wake();
  }
  ReportState State() {
    return core_->Do([this] { return client_->State(); });
  }
  uint64_t Acknowledged() {
    return core_->Do([this] { return ledger_->acknowledged_sequence(); });
  }
  bool AllAcknowledged() {
    return Eventually([this] { return Acknowledged() == appended_; });
  }
  // The three newest values.
  void ExpectControllerHasAll() {
    controller_.reset();
    const auto usage = (*Store::Open(dir_ / "controller.db", clock_))->Usage("acme").value();
    ASSERT_EQ(usage.size(), 1u);
    EXPECT_EQ(usage[0].streams(), 3u);
    EXPECT_EQ(usage[0].usage().cpu_ns(), 10 * (appended_ + appended_ - 1 + appended_ - 2));
  }
  bool ErrorBecomes(const std::string& text) {
    return Eventually([&] { return State().error.find(text) != std::string::npos; });
  }

  test::TempDir dir_;
  FakeClock clock_;
  std::string address_ = "unix://" + (dir_ / "c.sock");
  TlsFiles tls_;  // of what is started next
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<test::CoreThread> core_;
  std::unique_ptr<ControllerServer> controller_;
  std::unique_ptr<ReportClient> client_;
  uint64_t appended_ = 0;
};

TEST_F(ReportingTest, WhatIsInTheLedgerReachesTheController) {
  Append(2500);  // more than two batches
  StartController();
  StartClient();
  ASSERT_TRUE(AllAcknowledged());
  EXPECT_TRUE(State().connected);
  EXPECT_EQ(State().address, address_);
  EXPECT_EQ(State().error, "");
  Append(7);
  ASSERT_TRUE(AllAcknowledged());
  ExpectControllerHasAll();
}

TEST_F(ReportingTest, AProxyNeverGetsWhatGoesToALocalController) {
  address_ = "127.0.0.1:0";
  StartController();
  address_ = "127.0.0.1:" + std::to_string(controller_->port());
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);  // nobody listens there
  StartClient();
  Append(3);
  const bool acknowledged = AllAcknowledged();
  ::unsetenv("http_proxy");
  ASSERT_TRUE(acknowledged) << State().error;
  ExpectControllerHasAll();
}

// Certificates of one authority, or of two that know nothing of each other, for localhost.
class TlsReportingTest : public ReportingTest {
 protected:
  TlsFiles MakeAuthority(const std::string& name) {
    const std::string base = dir_ / name;
    const std::string key = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -batch ";
    const std::string script = key + "-x509 -days 2 -subj /CN=" + name + " -keyout " + base + ".ca.key -out " + base +
                               ".ca && " + key + "-subj /CN=localhost -keyout " + base + ".key -out " + base +
                               ".csr && echo subjectAltName=DNS:localhost >" + base +
                               ".ext && openssl x509 -req -days 2 -in " + base + ".csr -CA " + base + ".ca -CAkey " +
                               base + ".ca.key -CAcreateserial -extfile " + base + ".ext -out " + base + ".cert";
    EXPECT_EQ(std::system(("( " + script + " ) 2>/dev/null").c_str()), 0) << script;
    return {.ca = base + ".ca", .cert = base + ".cert", .key = base + ".key"};
  }
  void StartTlsController(const TlsFiles& tls) {
    address_ = "localhost:0";
    tls_ = tls;
    StartController();
    ASSERT_NE(controller_, nullptr);
    address_ = "localhost:" + std::to_string(controller_->port());
  }
};

TEST_F(TlsReportingTest, UsageReachesAControllerOfTheSameAuthority) {
  StartTlsController(MakeAuthority("one"));
  Append(3);
  StartClient();
  ASSERT_TRUE(AllAcknowledged()) << State().error;
  ExpectControllerHasAll();
}

TEST_F(TlsReportingTest, NothingIsSentToAControllerThatTheAgentsAuthorityDidNotSign) {
  StartTlsController(MakeAuthority("one"));
  const TlsFiles other = MakeAuthority("two");
  Append(3);
  tls_ = {.ca = other.ca, .cert = tls_.cert, .key = tls_.key};  // the controller would take it
  StartClient();
  EXPECT_TRUE(ErrorBecomes("report usage to localhost:"));
  EXPECT_EQ(Acknowledged(), 0u);
}

TEST_F(TlsReportingTest, AnAgentThatTheControllersAuthorityDidNotSignIsTurnedAway) {
  StartTlsController(MakeAuthority("one"));
  const TlsFiles other = MakeAuthority("two");
  Append(3);
  tls_ = {.ca = tls_.ca, .cert = other.cert, .key = other.key};
  StartClient();
  EXPECT_TRUE(ErrorBecomes("report usage to localhost:"));
  EXPECT_EQ(Acknowledged(), 0u);
  tls_ = {};  // nor one without any
  StartClient();
  EXPECT_TRUE(ErrorBecomes("report usage to localhost:"));
  EXPECT_EQ(Acknowledged(), 0u);
}

TEST_F(ReportingTest, AnAbsentControllerCostsNothing) {
  StartClient();
  Append(10);
  ASSERT_TRUE(ErrorBecomes(address_));
  EXPECT_FALSE(State().connected);
  Append(10);
  EXPECT_EQ(core_->Do([this] { return ledger_->last_sequence(); }), 20u);
  EXPECT_EQ(Acknowledged(), 0u);
  StartController();
  ASSERT_TRUE(AllAcknowledged());
  ExpectControllerHasAll();
}

TEST_F(ReportingTest, EitherSideMayRestartAtAnyTime) {
  StartController();
  StartClient();
  for (int round = 0; round < 6; ++round) {
    Append(300);
    if (round % 2 == 0) {
      controller_.reset();
      Append(300);
      StartController();
    } else {
      OpenLedger();  // a new agent
      StartClient();
    }
    Append(300);
  }
  ASSERT_TRUE(AllAcknowledged());
  ExpectControllerHasAll();
}

TEST_F(ReportingTest, AThinnedSpoolIsReportedWithItsGaps) {
  OpenLedger(20'000);
  StartClient();
  Append(5000);
  ASSERT_GT(core_->Do([this] { return ledger_->thinned_records(); }), 0u);
  StartController();
  ASSERT_TRUE(AllAcknowledged());
  ExpectControllerHasAll();
}

TEST_F(ReportingTest, AControllerThatLostItsStateGetsTheNewestOfEveryStream) {
  Append(100);
  StartController();
  StartClient();
  ASSERT_TRUE(AllAcknowledged());
  controller_.reset();
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(dir_ / ("controller.db" + std::string(suffix)));
  StartController();
  Append(1);
  ASSERT_TRUE(AllAcknowledged());
  ExpectControllerHasAll();
}

TEST_F(ReportingTest, AcknowledgingWhatWasNotSentHarmsNothing) {
  Append(5);
  {
    ScriptedController liar(dir_ / "c.sock", [](Stream& stream) {
      v1::ReportRequest request;
      stream.Read(&request);
      ScriptedController::Answer(stream, 2);
      stream.Read(&request);
      ScriptedController::Answer(stream, 6);
      stream.Read(&request);
    });
    StartClient();
    ASSERT_TRUE(ErrorBecomes("acknowledged sequence 6, only 5 was sent"));
    EXPECT_LE(Acknowledged(), 2u);
  }
  StartController();
  ASSERT_TRUE(AllAcknowledged());  // an honest one has less than 2: it gets what is kept
  ExpectControllerHasAll();
}

TEST_F(ReportingTest, ASequenceThatTheLedgerNeverHadIsRefused) {
  Append(5);
  ScriptedController liar(dir_ / "c.sock", [](Stream& stream) {
    ScriptedController::Answer(stream, ~0ULL);
    v1::ReportRequest request;
    while (stream.Read(&request)) {
    }
  });
  StartClient();
  ASSERT_TRUE(ErrorBecomes("never had"));
  EXPECT_TRUE(Eventually([&] { return liar.calls > 3; }));  // it goes on trying
  EXPECT_EQ(Acknowledged(), 0u);
}

TEST_F(ReportingTest, GoingBackStandingStillAndTalkingUnaskedEndTheCall) {
  struct Lie {
    std::vector<uint64_t> answers;
    const char* error;
  };
  Append(5);
  const Lie lies[] = {{{3, 2}, "went back from sequence 3 to 2"},
                      {{3, 3}, "committed nothing after sequence 3"},
                      {{5, 5, 5}, "answered without being asked"}};
  for (const Lie& lie : lies) {
    ScriptedController liar(dir_ / "c.sock", [&lie](Stream& stream) {
      v1::ReportRequest request;
      stream.Read(&request);
      for (const uint64_t answer : lie.answers) ScriptedController::Answer(stream, answer);
      while (stream.Read(&request)) {
      }
    });
    StartClient();
    EXPECT_TRUE(ErrorBecomes(lie.error)) << State().error;
    client_.reset();
  }
}

TEST_F(ReportingTest, GarbageAndSilenceEndTheCall) {
  Append(5);
  ScriptedController rude(dir_ / "c.sock", [](Stream&) {});  // hangs up at once
  StartClient();
  EXPECT_TRUE(ErrorBecomes("the controller ended the call"));
  EXPECT_EQ(Acknowledged(), 0u);
}

TEST_F(ReportingTest, StoppingDoesNotWaitForASilentController) {
  std::promise<void> called;
  ScriptedController silent(dir_ / "c.sock", [&](Stream& stream) {
    v1::ReportRequest request;
    stream.Read(&request);
    called.set_value();
    while (stream.Read(&request)) {
    }
  });
  StartClient();
  called.get_future().wait();
  const auto before = std::chrono::steady_clock::now();
  client_->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, seconds(9));  // not the 10 s that an answer may take
}

TEST_F(ReportingTest, AnotherHostIsNotDialledWithoutTls) {
  const auto start = [&](ReportOptions options) {
    return ReportClient::Start(std::move(options), *ledger_, [](std::function<void()>) { return Ok(); });
  };
  EXPECT_THAT(start({.address = "controller.example:443"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("controller.tls")));
  EXPECT_THAT(start({.address = "10.0.0.1:443"}), StatusIs(StatusCode::kInvalidArgument, HasSubstr("10.0.0.1:443")));
  EXPECT_THAT(start({.address = "127.0.0.1:443", .tls_ca = "x"}),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("all three")));
  EXPECT_THAT(start({.address = "nonsense"}), StatusIs(StatusCode::kInvalidArgument, HasSubstr("nonsense")));
}

}  // namespace
}  // namespace bulkhead
