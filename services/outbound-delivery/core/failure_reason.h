// Why a recipient was not reached, in a few words for metrics. Pure.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_FAILURE_REASON_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_FAILURE_REASON_H_

#include <cstddef>

#include "services/common/smtp/outgoing_message.h"

namespace turnpike::delivery {

enum class FailureReason {
  kDns,
  kConnect,
  kTls,
  kLogin,
  kTimeout,
  kRemote4xx,
  kRemote5xx,
  kThrottled,
  kPolicy,
  kLoop,
  kExpired,  // given up; the caller knows
  kInternal,
};
inline constexpr size_t kFailureReasons = 12;

// `dns`, …, `internal`
const char* FailureReasonName(FailureReason reason);

// Of an outcome that is not a delivery.
FailureReason FailureReasonOf(const smtp::RecipientOutcome& outcome);

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_FAILURE_REASON_H_
