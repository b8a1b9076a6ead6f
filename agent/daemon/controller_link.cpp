#include "agent/daemon/controller_link.h"

namespace bulkhead {

ReportOptions ControllerLink::Options(const v1::ControllerConfig& config) const {
  return {.address = config.address(),
          .tls_ca = config.tls().ca(),
          .tls_cert = config.tls().cert(),
          .tls_key = config.tls().key(),
          .node_id = facts_.node_id,
          .boot_id = facts_.boot_id};
}

Status ControllerLink::Check(const v1::ControllerConfig& config) const {
  return config.address().empty() ? Ok() : ReportClient::Check(Options(config)).status();
}

Status ControllerLink::Set(const v1::ControllerConfig& config) {
  Stop();
  if (config.address().empty()) return Ok();
  BULKHEAD_ASSIGN(client_, ReportClient::Start(Options(config), ledger_, [this](std::function<void()> work) {
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

v1::ControllerState ControllerLink::State() const { return client_ ? client_->State() : v1::ControllerState(); }

}  // namespace bulkhead
