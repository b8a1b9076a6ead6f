#include <google/protobuf/util/message_differencer.h>

#include "agent/manifest/agent_config.h"
#include "bulkhead/v1/config.pb.h"
#include "bulkhead/v1/options.pb.h"

namespace bulkhead {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;

bool Same(const Message& a, const Message& b, const FieldDescriptor* field) {
  MessageDifferencer differencer;
  differencer.set_message_field_comparison(MessageDifferencer::EQUIVALENT);
  return differencer.CompareWithFields(a, b, {field}, {field});
}

void Compare(const Message& running, const Message& next, const std::string& prefix, bool reload,
             std::vector<ConfigChange>& changes) {
  for (int i = 0; i < running.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = running.GetDescriptor()->field(i);
    if (Same(running, next, field)) continue;
    const std::string path = prefix + field->name();
    const bool may = reload || field->options().GetExtension(v1::reload);
    const bool section = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated() &&
                         field->message_type()->file()->package() == "bulkhead.v1";
    if (section)
      Compare(running.GetReflection()->GetMessage(running, field), next.GetReflection()->GetMessage(next, field),
              path + ".", may, changes);
    else
      changes.push_back({path, may});
  }
}

}  // namespace

std::vector<ConfigChange> ConfigChanges(const AgentConfig& running, const AgentConfig& next) {
  std::vector<ConfigChange> changes;
  Compare(*running.source, *next.source, "", false, changes);
  return changes;
}

}  // namespace bulkhead
