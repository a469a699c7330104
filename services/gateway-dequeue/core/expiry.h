// What becomes of mail that nobody has collected in time. (DQ-2)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_EXPIRY_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_EXPIRY_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/base/message_id.h"
#include "services/common/routing/domain_classes.h"

namespace turnpike::dequeue {

struct ExpiryContext {
  std::string host_name;  // ours
  absl::Time now;
  absl::Duration retention;
  const routing::DomainClasses& classes;
  base::MessageId report_id;
};

// Returns every recipient that is left, with a notification to the sender among the follow-ups if
// one is due: not to the null sender, and not to those who want none. `content` is the message, or
// its beginning.
spool::v1::Settlement ReturnExpired(const spool::v1::LeasedDelivery& delivery,
                                    absl::string_view content, const ExpiryContext& context);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_EXPIRY_H_
