// Protocol messages as values, by their own description, so that a field that is added to a message
// is shown without a change here.
#ifndef TURNPIKE_SERVICES_TURNPIKECTL_CORE_MESSAGE_VALUE_H_
#define TURNPIKE_SERVICES_TURNPIKECTL_CORE_MESSAGE_VALUE_H_

#include "services/turnpikectl/core/value.h"

namespace google::protobuf {
class Message;
}

namespace turnpike::ctl {

// Every field is there, also with its default, so that programs can rely on names: a message that
// is not set is nothing, a list may be empty. Of a oneof only the field that is set is there.
//   enums           the value's name without its prefix in lower case (`deferred`); unset: nothing;
//                   one that this program does not know: its number
//   Timestamp       a moment
//   Duration        a text: `1h30m`
//   QueueName       a text: `gateway/customer.example`
//   uint64          an id (value.h)
//   message_id      a text: the UUID that logs and replies show
//   other bytes     a text
Value ToValue(const google::protobuf::Message& message);

}  // namespace turnpike::ctl

#endif  // TURNPIKE_SERVICES_TURNPIKECTL_CORE_MESSAGE_VALUE_H_
