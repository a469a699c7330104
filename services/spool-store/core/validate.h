// Which requests the store can take.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CORE_VALIDATE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CORE_VALIDATE_H_

#include "absl/status/status.h"
#include "protos/turnpike/spool/v1/spool.pb.h"

namespace turnpike::spool {

inline constexpr size_t kQueueNameBytesMax = 300;
inline constexpr int kRecipientsMax = 100'000;  // of one message
inline constexpr size_t kReplyTextBytesMax = 2048;
inline constexpr size_t kPausedQueuesMax = 10'000;  // of one worker

// INVALID_ARGUMENT, saying what is wrong.
absl::Status CheckQueueName(const v1::QueueName& queue);
// Which delivery it is of is not looked at.
absl::Status CheckUpdate(const v1::UpdateDeliveryRequest& request);
// All but the content, and whether its size is right when it is inline.
absl::Status CheckNewMessage(const v1::NewMessage& message);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CORE_VALIDATE_H_
