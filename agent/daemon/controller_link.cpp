#include "agent/daemon/controller_link.h"

namespace bulkhead {

ReportOptions ControllerLink::Options(const ControllerTarget& target) const {
  return {.address = target.address,
          .tls_ca = target.tls_ca,
          .tls_cert = target.tls_cert,
          .tls_key = target.tls_key,
          .node_id = facts_.node_id,
          .boot_id = facts_.boot_id};
}

Status ControllerLink::Check(const ControllerTarget& target) const {
  return target.address.empty() ? Ok() : ReportClient::Check(Options(target)).status();
}

Status ControllerLink::Set(const ControllerTarget& target) {
  Stop();
  if (target.address.empty()) return Ok();
  BULKHEAD_ASSIGN(client_, ReportClient::Start(Options(target), ledger_, [this](std::function<void()> work) {
                    return loop_.Post(std::move(work));
                  }));
  return Ok();
}

void ControllerLink::Wake() {
  if (client_) client_->Wake();
}

void ControllerLink::Stop() {
  if (client_) client_->Stop();
  client_.reset();
}

ReportState ControllerLink::State() const { return client_ ? client_->State() : ReportState(); }

}  // namespace bulkhead
