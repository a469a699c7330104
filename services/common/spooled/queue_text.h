// A queue as operators read and write it.
#ifndef TURNPIKE_SERVICES_COMMON_SPOOLED_QUEUE_TEXT_H_
#define TURNPIKE_SERVICES_COMMON_SPOOLED_QUEUE_TEXT_H_

#include <string>

#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::spool {

// `gateway/customer.example`, `remote/example.org`, `local/office.example`: in logs, and on the
// command line.
std::string QueueText(const v1::QueueName& queue);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_COMMON_SPOOLED_QUEUE_TEXT_H_
