#include "services/outbound-delivery/core/failure_reason.h"

#include "services/outbound-delivery/core/failures.h"

namespace turnpike::delivery {

const char* FailureReasonName(FailureReason reason) {
  switch (reason) {
    case FailureReason::kDns:
      return "dns";
    case FailureReason::kConnect:
      return "connect";
    case FailureReason::kTls:
      return "tls";
    case FailureReason::kLogin:
      return "login";
    case FailureReason::kTimeout:
      return "timeout";
    case FailureReason::kRemote4xx:
      return "remote_4xx";
    case FailureReason::kRemote5xx:
      return "remote_5xx";
    case FailureReason::kThrottled:
      return "throttled";
    case FailureReason::kPolicy:
      return "policy";
    case FailureReason::kLoop:
      return "loop";
    case FailureReason::kExpired:
      return "expired";
    case FailureReason::kInternal:
      return "internal";
  }
  return "";
}

FailureReason FailureReasonOf(const smtp::RecipientOutcome& outcome) {
  const smtp::Reply& reply = outcome.reply;
  if (outcome.is_from_peer) {
    return reply.is_permanent() ? FailureReason::kRemote5xx : FailureReason::kRemote4xx;
  }
  // The peer lacks an extension that the message needs.
  if (outcome.stage == smtp::Stage::kLocal) return FailureReason::kPolicy;
  const auto is = [&](const smtp::ReplyCode& code) {
    return reply.code() == code.code && reply.enhanced() == code.enhanced &&
           reply.text().substr(0, code.text.size()) == code.text;
  };
  if (is(kSlowDestination)) return FailureReason::kThrottled;
  if (is(kForbiddenAddress)) return FailureReason::kPolicy;
  if (is(kLoopsToUs)) return FailureReason::kLoop;
  if (is(kNullMx) || is(kNoSuchDomain) || is(kNoMailHost) || is(kNoMx) || is(kDnsFailure) ||
      is(kTargetNotFound)) {
    return FailureReason::kDns;
  }
  // Cryptographic failure, in all its forms. [RFC3463 3.8]
  if (reply.enhanced() == kTlsFailed.enhanced) return FailureReason::kTls;
  if (is(kLoginRefused) || is(kLoginImpossible) || is(kPopCheckFailed)) {
    return FailureReason::kLogin;
  }
  if (is(kPeerTimeout) || is(smtp::kTimeout)) return FailureReason::kTimeout;
  if (is(kCannotConnect) || outcome.stage == smtp::Stage::kConnection) {
    return FailureReason::kConnect;
  }
  return FailureReason::kInternal;
}

}  // namespace turnpike::delivery
