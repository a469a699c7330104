// Which requests the store can take.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_VALIDATE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_VALIDATE_H_

#include "absl/status/status.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::spool {

inline constexpr size_t kQueueNameBytesMax = 300;
inline constexpr int kRecipientsMax = 100'000;  // of one message

// INVALID_ARGUMENT, saying what is wrong.
absl::Status CheckQueueName(const v1::QueueName& queue);
// All but the content, and whether its size is right when it is inline.
absl::Status CheckNewMessage(const v1::NewMessage& message);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_VALIDATE_H_
