#include "agent/rpc/report_client.h"

#include <algorithm>

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "agent/base/file_io.h"
#include "agent/base/log.h"
#include "agent/base/version.h"
#include "agent/rpc/convert.h"

namespace bulkhead {
namespace {

using Kind = ReportEvent::Kind;

// What the controller may not do. The connection ends; the ledger stays.
Status Untrue(const std::string& what) { return FailedPrecondition("the controller " + what); }

// What the core thread does at a time; InvalidArgument: the controller names a sequence that never was.
ReportEvent Turn(Ledger& ledger, uint64_t committed, bool first) {
  ReportEvent reply{.kind = Kind::kCore};
  if (first && committed < ledger.acknowledged_sequence())
    log::Warning("controller has less than it acknowledged, sending it what is kept",
                 {{"committed", committed}, {"acknowledged", ledger.acknowledged_sequence()}});
  const Result<bool> all = ledger.Acknowledge(committed);
  if (!all.ok() && committed > ledger.last_sequence()) {
    reply.status = all.status();
    return reply;
  }
  if (!all.ok()) log::Warning("acknowledgement of usage not stored, it is repeated later", {{"error", all.status()}});
  reply.more = all.ok() && !*all;
  if (reply.more) return reply;
  auto records = ledger.ReadAfter(committed, ReportClient::kBatch);
  reply.status = records.status();
  if (records.ok()) reply.records = *std::move(records);
  return reply;
}

}  // namespace

ReportClient::ReportClient(ReportOptions options, Endpoint endpoint, Ledger& ledger, Post post)
    : options_(std::move(options)),
      endpoint_(std::move(endpoint)),
      ledger_(ledger),
      ledger_id_(ledger.id()),
      post_(std::move(post)) {}

Result<Endpoint> ReportClient::Check(const ReportOptions& options) {
  BULKHEAD_ASSIGN(Endpoint endpoint, ParseEndpoint(options.address));
  const int files = int{!options.tls_ca.empty()} + int{!options.tls_cert.empty()} + int{!options.tls_key.empty()};
  if (files != 0 && files != 3) return InvalidArgument("controller.tls: ca, cert and key are needed, all three");
  if (files == 0 && !endpoint.local)
    return InvalidArgument(fmt::format(
        "controller.address: \"{}\" is another host: set controller.tls, or use a unix socket or a loopback address",
        options.address));
  return endpoint;
}

Result<std::unique_ptr<ReportClient>> ReportClient::Start(ReportOptions options, Ledger& ledger, Post post) {
  BULKHEAD_ASSIGN(Endpoint endpoint, Check(options));
  std::unique_ptr<ReportClient> client(
      new ReportClient(std::move(options), std::move(endpoint), ledger, std::move(post)));
  client->thread_ = std::thread([raw = client.get()] { raw->Run(); });
  return client;
}

void ReportClient::Wake() { mailbox_->Push(ReportEvent{.kind = Kind::kWake}); }

void ReportClient::Stop() {
  stopping_ = true;
  mailbox_->Push(ReportEvent{.kind = Kind::kStop});
  if (thread_.joinable()) thread_.join();
}

ReportState ReportClient::State() const {
  const Connection connection = connection_.Get();
  return {options_.address, connection.connected, connection.error};
}

void ReportClient::Run() {
  while (!stopping_) {
    const Status status = Annotate(Serve(), fmt::format("report usage to {}", options_.address));
    if (stopping_) return;
    ++failures_;
    connection_.With([&](Connection& connection) { connection = {false, Message(status)}; });
    if (Message(status) != logged_) log::Warning("usage stays in the ledger for now", {{"error", status}});
    logged_ = Message(status);
    Pause();
  }
}

void ReportClient::Pause() {
  const unsigned doublings = std::min(failures_ - 1, 16u);
  const auto longest =
      std::min<std::chrono::milliseconds>(options_.backoff_max, options_.backoff_min * (1 << doublings));
  std::uniform_int_distribution<int64_t> jitter(longest.count() / 2, longest.count());
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(jitter(random_));
  while (!stopping_ && mailbox_->Pop(until)) {
  }
}

// One connection, from dialling to its end.
Status ReportClient::Serve() {
  BULKHEAD_ASSIGN(const std::shared_ptr<grpc::Channel> channel, Dial());
  ReportCall call(++calls_, channel, mailbox_);
  writing_ = false;
  v1::ReportRequest request;
  request.mutable_hello()->set_node_id(options_.node_id);
  request.mutable_hello()->set_boot_id(options_.boot_id);
  request.mutable_hello()->set_agent_version(kVersion);
  request.mutable_hello()->set_ledger_id(ledger_id_);
  BULKHEAD_ASSIGN(uint64_t committed, Ask(call, std::move(request)));
  for (bool first = true;; first = false) {
    awake_ = false;
    BULKHEAD_ASSIGN(const std::vector<UsageRecord> records, Advance(call, committed, first));
    if (first) {
      connection_.With([](Connection& connection) { connection = {true, ""}; });
      log::Info("controller connected", {{"address", options_.address}, {"committed", committed}});
      logged_.clear();
    }
    if (records.empty()) {
      if (!awake_) BULKHEAD_RETURN_IF_ERROR(Await(call, Kind::kWake, false).status());
      continue;
    }
    BULKHEAD_ASSIGN(const uint64_t answer, Ask(call, Batch(records, committed)));
    if (answer < committed) return Untrue(fmt::format("went back from sequence {} to {}", committed, answer));
    if (answer > records.back().sequence)
      return Untrue(fmt::format("acknowledged sequence {}, only {} was sent", answer, records.back().sequence));
    if (answer == committed) return Untrue(fmt::format("committed nothing after sequence {}", committed));
    committed = answer;
    failures_ = 0;
  }
}

Result<std::shared_ptr<grpc::Channel>> ReportClient::Dial() const {
  grpc::ChannelArguments arguments;
  // Our own pauses rule: no state of an earlier attempt is shared.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);            // idle connections are watched, too
  arguments.SetMaxReceiveMessageSize(4096);                              // an answer is one number
  if (endpoint_.local) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // http_proxy must not take it off this host
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!options_.tls_ca.empty()) {
    grpc::SslCredentialsOptions tls;
    BULKHEAD_ASSIGN(tls.pem_root_certs, ReadFile(options_.tls_ca));
    BULKHEAD_ASSIGN(tls.pem_cert_chain, ReadFile(options_.tls_cert));
    BULKHEAD_ASSIGN(tls.pem_private_key, ReadFile(options_.tls_key));
    credentials = grpc::SslCredentials(tls);
  }
  return grpc::CreateCustomChannel(endpoint_.target, credentials, arguments);
}

// The next event of that kind. A call that breaks, a stop, or no answer in time is an error.
Result<ReportEvent> ReportClient::Await(ReportCall& call, Kind kind, bool timed) {
  std::optional<ReportMailbox::Deadline> deadline;
  if (timed) deadline = std::chrono::steady_clock::now() + options_.answer_timeout;
  while (!stopping_) {
    std::optional<ReportEvent> event = mailbox_->Pop(deadline);
    if (!event)
      return MakeStatus(StatusCode::kDeadlineExceeded,
                        fmt::format("no answer within {} ms", options_.answer_timeout.count()));
    if (event->kind == Kind::kWake) awake_ = true;
    if (event->kind != Kind::kWake && event->call != call.id()) continue;  // of a call that is over
    if (event->kind == Kind::kWrote) writing_ = false;
    if (event->kind == Kind::kBroken) {
      const Status why = call.End();
      return why.ok() ? Unavailable("the controller ended the call") : why;
    }
    if (event->kind == kind) return *std::move(event);
    if (event->kind == Kind::kAnswer) return Untrue("answered without being asked");
  }
  return Unavailable("the agent is stopping");
}

// Sends a message and returns the sequence that the controller answers with.
Result<uint64_t> ReportClient::Ask(ReportCall& call, v1::ReportRequest request) {
  writing_ = true;
  call.Write(std::move(request));
  BULKHEAD_ASSIGN(const ReportEvent answer, Await(call, Kind::kAnswer, true));
  call.Read();
  if (writing_) BULKHEAD_RETURN_IF_ERROR(Await(call, Kind::kWrote, true).status());
  return answer.committed;
}

// Acknowledges what is committed and reads what comes next, on the core thread, in as many turns as it takes.
Result<std::vector<UsageRecord>> ReportClient::Advance(ReportCall& call, uint64_t committed, bool first) {
  while (true) {
    BULKHEAD_RETURN_IF_ERROR(post_([mailbox = mailbox_, id = call.id(), &ledger = ledger_, committed, first] {
      ReportEvent reply = Turn(ledger, committed, first);
      reply.call = id;
      mailbox->Push(std::move(reply));
    }));
    BULKHEAD_ASSIGN(ReportEvent reply, Await(call, Kind::kCore, false));
    if (reply.status.code() == StatusCode::kInvalidArgument)
      return Untrue(fmt::format("has sequence {}, which this ledger never had: {}", committed, Message(reply.status)));
    BULKHEAD_RETURN_IF_ERROR(reply.status);
    if (!reply.more) return std::move(reply.records);
    first = false;
  }
}

v1::ReportRequest ReportClient::Batch(const std::vector<UsageRecord>& records, uint64_t after) const {
  v1::ReportRequest request;
  request.mutable_batch()->set_first_sequence(after + 1);
  for (const UsageRecord& record : records)
    *request.mutable_batch()->add_records() = EncodeRecord(record, options_.node_id);
  return request;
}

}  // namespace bulkhead
