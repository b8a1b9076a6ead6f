// Redact (bundle.h) for messages.
#pragma once

#include <google/protobuf/message.h>

namespace bulkhead::cli {

// Every text in it, one by one: what is taken out of one leaves the others, and the form that the message is written in
// later, as they are.
void RedactFields(google::protobuf::Message& message);

}  // namespace bulkhead::cli
