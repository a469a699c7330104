#include "services/turnpikectl/core/message_value.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/base/message_id.h"
#include "services/common/config/value.h"
#include "services/common/spooled/queue_text.h"
#include "services/turnpikectl/core/places.h"

namespace turnpike::ctl {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

Value EnumToValue(const FieldDescriptor& field, int number) {
  if (number == 0) return {};
  const EnumValueDescriptor* value = field.enum_type()->FindValueByNumber(number);
  if (value == nullptr) return number;
  return config::EnumText(*value);
}

Value BytesToValue(const FieldDescriptor& field, std::string bytes) {
  if (field.type() == FieldDescriptor::TYPE_BYTES && field.name() == "message_id") {
    const absl::StatusOr<base::MessageId> id = base::MessageId::FromBytes(bytes);
    if (id.ok()) return id->ToString();
  }
  return bytes;
}

// One field of a message, as a value.
class FieldReader {
 public:
  FieldReader(const Message& message, const FieldDescriptor& field)
      : message_(message), reflection_(*message.GetReflection()), field_(field) {}

  Value Read() const {
    if (!field_.is_repeated()) {
      const bool is_message = field_.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
      if (is_message && !reflection_.HasField(message_, &field_)) return {};
      return One();
    }
    Value::List list;
    for (int i = 0; i < reflection_.FieldSize(message_, &field_); ++i) list.push_back(Element(i));
    return list;
  }

 private:
  Value One() const {
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection_.GetInt32(message_, &field_);
      case FieldDescriptor::CPPTYPE_INT64:
        return int64_t{reflection_.GetInt64(message_, &field_)};
      case FieldDescriptor::CPPTYPE_UINT32:
        return int64_t{reflection_.GetUInt32(message_, &field_)};
      case FieldDescriptor::CPPTYPE_UINT64:
        return uint64_t{reflection_.GetUInt64(message_, &field_)};
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection_.GetBool(message_, &field_);
      case FieldDescriptor::CPPTYPE_ENUM:
        return EnumToValue(field_, reflection_.GetEnumValue(message_, &field_));
      case FieldDescriptor::CPPTYPE_STRING:
        return BytesToValue(field_, reflection_.GetString(message_, &field_));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return ToValue(reflection_.GetMessage(message_, &field_));
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE:
        break;  // no contract has one
    }
    return {};
  }

  Value Element(int i) const {
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection_.GetRepeatedInt32(message_, &field_, i);
      case FieldDescriptor::CPPTYPE_INT64:
        return int64_t{reflection_.GetRepeatedInt64(message_, &field_, i)};
      case FieldDescriptor::CPPTYPE_UINT32:
        return int64_t{reflection_.GetRepeatedUInt32(message_, &field_, i)};
      case FieldDescriptor::CPPTYPE_UINT64:
        return uint64_t{reflection_.GetRepeatedUInt64(message_, &field_, i)};
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection_.GetRepeatedBool(message_, &field_, i);
      case FieldDescriptor::CPPTYPE_ENUM:
        return EnumToValue(field_, reflection_.GetRepeatedEnumValue(message_, &field_, i));
      case FieldDescriptor::CPPTYPE_STRING:
        return BytesToValue(field_, reflection_.GetRepeatedString(message_, &field_, i));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return ToValue(reflection_.GetRepeatedMessage(message_, &field_, i));
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE:
        break;
    }
    return {};
  }

  const Message& message_;
  const Reflection& reflection_;
  const FieldDescriptor& field_;
};

absl::Duration SecondsAndNanos(int64_t seconds, int32_t nanos) {
  return absl::Seconds(seconds) + absl::Nanoseconds(nanos);
}

}  // namespace

Value ToValue(const Message& message) {
  if (const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(&message)) {
    return absl::UnixEpoch() + SecondsAndNanos(time->seconds(), time->nanos());
  }
  if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&message)) {
    return absl::FormatDuration(SecondsAndNanos(duration->seconds(), duration->nanos()));
  }
  if (const auto* queue = dynamic_cast<const spool::v1::QueueName*>(&message)) {
    return spool::QueueText(*queue);
  }
  Value::Object members;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const bool is_choice = field.real_containing_oneof() != nullptr;
    if (is_choice && !message.GetReflection()->HasField(message, &field)) continue;
    members.push_back({field.name(), FieldReader(message, field).Read()});
  }
  return members;
}

}  // namespace turnpike::ctl
