#include "agent/rpc/server.h"

#include <google/protobuf/util/time_util.h>

#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/live_node.h"

namespace bulkhead {
namespace {

using test::ChannelOn;
using test::ClosedByPeer;
using test::ConnectionAs;
using test::LiveNode;
using test::StubOn;
using ::testing::HasSubstr;

constexpr uint32_t kNobody = 65534;

void AddTenant(v1::ApplyRequest& request, const std::string& name) {
  request.add_objects()->mutable_tenant()->set_name(name);
}

void AddTask(v1::ApplyRequest& request, const std::string& tenant, const std::string& name) {
  v1::Task* task = request.add_objects()->mutable_task();
  task->set_tenant(tenant);
  task->set_name(name);
  task->mutable_limits()->mutable_pids()->set_max(64);
}

grpc::Status Apply(v1::NodeService::Stub& stub, const v1::ApplyRequest& request, v1::ApplyResponse& response,
                   std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  return stub.Apply(&context, request, &response);
}

uint32_t Tenants(v1::NodeService::Stub& stub) {
  grpc::ClientContext context;
  v1::GetNodeResponse node;
  const grpc::Status status = stub.GetNode(&context, v1::GetNodeRequest(), &node);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return node.tenants();
}

bool IsRoot() { return ::geteuid() == 0; }

TEST(Server, AppliesToTheKernelAndTellsIt) {
  LiveNode node;
  const auto stub = node.Stub();
  v1::ApplyRequest request;
  AddTenant(request, "acme");
  AddTask(request, "acme", "web-1");
  v1::ApplyResponse applied;
  ASSERT_TRUE(Apply(*stub, request, applied).ok());
  ASSERT_EQ(applied.results_size(), 2);
  EXPECT_EQ(applied.results(1).name(), "acme/web-1");
  EXPECT_EQ(applied.results(1).outcome(), v1::APPLY_OUTCOME_CREATED);
  node.OnCore([&] { EXPECT_EQ(node.tree.LimitsAt("acme/web-1").Number(LimitKind::kPidsMax), 64U); });

  grpc::ClientContext context;
  v1::GetTaskRequest get;
  get.set_tenant("acme");
  get.set_name("web-1");
  v1::GetTaskResponse task;
  ASSERT_TRUE(stub->GetTask(&context, get, &task).ok());
  EXPECT_EQ(task.task().limits().pids().max(), 64U);
  EXPECT_EQ(task.status().enforcement(), v1::ENFORCEMENT_ENFORCED);
}

TEST(Server, NamesObjectAndFieldOfABadRequestAndDoesNothing) {
  LiveNode node;
  const auto stub = node.Stub();
  v1::ApplyRequest request;
  AddTenant(request, "acme");
  AddTask(request, "acme", "web-1");
  request.mutable_objects(1)->mutable_task()->mutable_limits()->mutable_pids()->set_max(0);
  v1::ApplyResponse applied;
  const grpc::Status status = Apply(*stub, request, applied);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("task acme/web-1: limits.pids.max"));
  node.OnCore([&] { EXPECT_TRUE(node.tree.Paths().empty()); });
}

TEST(Server, AReaderMayLookAndNotChange) {
  if (!IsRoot()) GTEST_SKIP() << "needs root to connect as another user";
  LiveNode node({.rules = {.read_group = "daemon", .admin_group = "bin", .tenant_root = "/none-such"}});
  ConnectionAs reader(node.socket(), kNobody, {1});  // group daemon
  ASSERT_TRUE(reader.fd.valid());
  const auto stub = StubOn(ChannelOn(std::move(reader.fd)));
  EXPECT_EQ(Tenants(*stub), 0U);
  v1::ApplyRequest request;
  AddTenant(request, "acme");
  v1::ApplyResponse applied;
  EXPECT_EQ(Apply(*stub, request, applied).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  grpc::ClientContext delete_context;
  v1::DeleteResponse deleted;
  EXPECT_EQ(stub->Delete(&delete_context, v1::DeleteRequest(), &deleted).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  grpc::ClientContext attach_context;
  v1::AttachProcessesResponse attached;
  EXPECT_EQ(stub->AttachProcesses(&attach_context, v1::AttachProcessesRequest(), &attached).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Tenants(*stub), 0U);
}

TEST(Server, AMemberOfTheAdminGroupMayChange) {
  if (!IsRoot()) GTEST_SKIP() << "needs root to connect as another user";
  LiveNode node({.rules = {.read_group = "daemon", .admin_group = "bin", .tenant_root = "/none-such"}});
  ConnectionAs admin(node.socket(), kNobody, {2});  // group bin
  ASSERT_TRUE(admin.fd.valid());
  const auto stub = StubOn(ChannelOn(std::move(admin.fd)));
  v1::ApplyRequest request;
  AddTenant(request, "acme");
  v1::ApplyResponse applied;
  EXPECT_TRUE(Apply(*stub, request, applied).ok());
  EXPECT_EQ(Tenants(*stub), 1U);
}

TEST(Server, AStrangerIsClosedAtOnce) {
  if (!IsRoot()) GTEST_SKIP() << "needs root to connect as another user";
  LiveNode node({.rules = {.read_group = "daemon", .admin_group = "no-such-group", .tenant_root = "/none-such"}});
  ConnectionAs stranger(node.socket(), kNobody, {});
  ASSERT_TRUE(stranger.fd.valid());
  EXPECT_TRUE(ClosedByPeer(stranger.fd.get()));
  EXPECT_EQ(Tenants(*node.Stub()), 0U) << "others are still served";
}

TEST(Server, ATenantsProcessIsClosedAtOnceWhateverItsUser) {
  LiveNode node({.rules = {.tenant_root = "/"}});  // everybody lives below it
  const UniqueFd fd = test::ConnectTo(node.socket());
  ASSERT_TRUE(fd.valid());
  EXPECT_TRUE(ClosedByPeer(fd.get()));
}

TEST(Server, ConnectionsAreCappedAndAClosedOneMakesRoom) {
  LiveNode node({.max_connections = 2});
  const UniqueFd first = test::ConnectTo(node.socket());
  UniqueFd second = test::ConnectTo(node.socket());
  EXPECT_FALSE(ClosedByPeer(first.get()));
  EXPECT_FALSE(ClosedByPeer(second.get()));
  EXPECT_TRUE(ClosedByPeer(test::ConnectTo(node.socket()).get()));
  second.reset();
  bool admitted = false;
  for (int i = 0; i < 1000 && !admitted; ++i) admitted = !ClosedByPeer(test::ConnectTo(node.socket()).get());
  EXPECT_TRUE(admitted);
}

TEST(Server, AnOversizedMessageIsRefusedAndTheNextOneServed) {
  LiveNode node;
  const auto stub = node.Stub();
  v1::ApplyRequest request;
  AddTenant(request, std::string(5U << 20U, 'a'));
  v1::ApplyResponse applied;
  EXPECT_EQ(Apply(*stub, request, applied).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Tenants(*stub), 0U);
}

TEST(Server, ARequestWhoseDeadlinePassedInTheQueueIsNotCarriedOut) {
  LiveNode node;
  const auto stub = node.Stub();
  auto release = node.HoldCore();
  v1::ApplyRequest request;
  AddTenant(request, "acme");
  v1::ApplyResponse applied;
  EXPECT_EQ(Apply(*stub, request, applied, std::chrono::milliseconds(50)).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  // The server counts the same 50 ms from when the request came, so its deadline is a little later than the client's.
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  release.set_value();
  EXPECT_EQ(Tenants(*stub), 0U);
  node.OnCore([&] { EXPECT_TRUE(node.tree.Paths().empty()); });
}

TEST(Server, AFullInboxIsSaidAtOnce) {
  LiveNode node({.inbox = 4});
  const auto stub = node.Stub();
  auto release = node.HoldCore();
  while (node.loop().Post([] {}).ok()) {
  }
  grpc::ClientContext context;
  v1::GetNodeResponse response;
  EXPECT_EQ(stub->GetNode(&context, v1::GetNodeRequest(), &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  release.set_value();
}

std::vector<v1::Finding> Diagnose(v1::NodeService::Stub& stub, const std::string& check) {
  grpc::ClientContext context;
  v1::DiagnoseResponse response;
  EXPECT_TRUE(stub.Diagnose(&context, v1::DiagnoseRequest(), &response).ok());
  std::vector<v1::Finding> findings(response.findings().begin(), response.findings().end());
  std::erase_if(findings, [&](const v1::Finding& one) { return one.check() != check; });
  return findings;
}

TEST(Server, DiagnosesWhatHostEngineAndLedgerSay) {
  LiveNode node;
  const auto stub = node.Stub();
  const auto features = Diagnose(*stub, "kernel features");
  ASSERT_EQ(features.size(), 2U);
  EXPECT_EQ(features[0].severity(), v1::SEVERITY_OK);
  EXPECT_EQ(features[1].severity(), v1::SEVERITY_NOTE);
  EXPECT_EQ(features[1].found(), "no tcx: not here");
  EXPECT_NE(features[1].meaning(), "");
  EXPECT_EQ(Diagnose(*stub, "walls").at(0).severity(), v1::SEVERITY_OK);
  EXPECT_EQ(Diagnose(*stub, "spool").at(0).found(), "0 MiB of 1 MiB used, 0 records wait");

  node.OnCore([&] {
    node.maps.DetachBehind("egress");
    node.host.state_problem = "write /state: Read-only file system";
  });
  EXPECT_EQ(Diagnose(*stub, "walls").at(0).severity(), v1::SEVERITY_ERROR);
  const v1::Finding state = Diagnose(*stub, "state").at(0);
  EXPECT_EQ(state.severity(), v1::SEVERITY_ERROR);
  EXPECT_EQ(state.found(), "write /state: Read-only file system");
  EXPECT_NE(state.action(), "");
}

TEST(Server, ListsAreCutIntoPages) {
  LiveNode node;
  const auto stub = node.Stub();
  v1::ApplyRequest request;
  AddTenant(request, "acme");
  AddTenant(request, "zeta");
  for (const char* name : {"a", "b", "c", "d", "e"}) AddTask(request, "acme", name);
  AddTask(request, "zeta", "x");
  v1::ApplyResponse applied;
  ASSERT_TRUE(Apply(*stub, request, applied).ok());

  std::vector<std::string> names;
  v1::ListTasksRequest list;
  list.set_page_size(2);
  list.set_tenant("acme");
  for (int pages = 0; pages < 10; ++pages) {
    grpc::ClientContext context;
    v1::ListTasksResponse page;
    ASSERT_TRUE(stub->ListTasks(&context, list, &page).ok());
    EXPECT_LE(page.tasks_size(), 2);
    for (const auto& task : page.tasks()) names.push_back(task.task().name());
    if (page.next_page_token().empty()) break;
    list.set_page_token(page.next_page_token());
  }
  EXPECT_THAT(names, ::testing::ElementsAre("a", "b", "c", "d", "e"));

  list.set_page_token("..//");
  grpc::ClientContext context;
  v1::ListTasksResponse page;
  EXPECT_EQ(stub->ListTasks(&context, list, &page).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(Server, StopsWithCallsAndStreamsUnderWay) {
  LiveNode node;
  const auto stub = node.Stub();
  grpc::ClientContext context;
  v1::WatchEventsRequest request;
  request.set_follow(true);
  const auto stream = stub->WatchEvents(&context, request);
  EXPECT_EQ(Tenants(*stub), 0U);
  node.Stop();
  v1::WatchEventsResponse event;
  while (stream->Read(&event)) {
  }
  EXPECT_FALSE(stream->Finish().ok());
}

TEST(Server, StopsWithACallThatTheCoreThreadNeverCameTo) {
  LiveNode node({.inbox = 1, .run = false});
  const auto stub = node.Stub();
  const auto call = [&] {
    grpc::ClientContext context;
    v1::GetNodeResponse response;
    return stub->GetNode(&context, v1::GetNodeRequest(), &response).error_code();
  };
  auto one = std::async(std::launch::async, call);
  auto other = std::async(std::launch::async, call);
  // There is room for one: when the other has been turned away, it waits.
  const auto refused = [](auto& future) {
    return future.wait_for(std::chrono::milliseconds(5)) == std::future_status::ready;
  };
  bool one_refused = false;
  for (int i = 0; i < 2000 && !one_refused && !refused(other); ++i) one_refused = refused(one);
  node.Stop();
  EXPECT_EQ((one_refused ? one : other).get(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ((one_refused ? other : one).get(), grpc::StatusCode::UNAVAILABLE);
}

TEST(Server, ASecondOneOnTheSameSocketIsRefusedAndAStaleSocketReplaced) {
  LiveNode node;
  const auto second = Listener::Create({.path = node.socket()});
  EXPECT_EQ(second.status().code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(second.status()), HasSubstr("another agent is listening"));
  EXPECT_EQ(Tenants(*node.Stub()), 0U) << "the first one goes on";
}

}  // namespace
}  // namespace bulkhead
