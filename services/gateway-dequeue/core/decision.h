// What may be dequeued, by whom: ETRN and ATRN as pure decisions. (dequeue.md)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_DECISION_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_DECISION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "protos/turnpike/mail/v1/envelope.pb.h"
#include "services/common/smtp/reply.h"
#include "services/gateway-dequeue/core/gateways.h"
#include "services/gateway-dequeue/core/overrides.h"

namespace turnpike::dequeue {

// How a request ended, in the words of turnpike_dequeue_requests_total.
enum class Result {
  kStarted,
  kNoMail,
  kUnknownDomain,  // no such gateway, not enabled, malformed
  kUnauthenticated,
  kForbidden,  // another's gateway, or an address that is not honored
  kBusy,       // a session runs already, or too soon
  kSuspended,  // by an operator (DQ-61)
  kError,      // the store is away, or we are draining
};

struct Refusal {
  smtp::ReplyCode reply;
  Result result;
};

// --------------------------------------------------------------------------------------- ETRN

struct EtrnRelease {
  GatewayPointer gateway;
  mail::v1::Route route;
};

// Either a refusal, or at least one release.
struct EtrnDecision {
  std::optional<Refusal> refusal;
  std::vector<EtrnRelease> releases;  // in the order of domains
};

// A gateway that does not exist, has ETRN switched off, or does not honor the address cannot be
// told apart by the reply (DQ-10, DQ-41).
EtrnDecision DecideEtrn(const GatewayTable& gateways, const Overrides& overrides,
                        const v1::RequestEtrnRequest& request);

// Where the mail goes once released (DQ-14 to DQ-17).
mail::v1::Route EtrnRoute(const Gateway& gateway, const std::string& client_address);

// The reply to releases that succeeded, with the number of messages that are on their way now.
// [RFC1985 5.1] `name` is the node as asked for.
smtp::Reply EtrnReply(int64_t messages, const std::string& name);

// --------------------------------------------------------------------------------------- ATRN

// Either a refusal, or a grant without its id.
struct AtrnDecision {
  std::optional<Refusal> refusal;
  GatewayPointer gateway;  // also with a refusal, if the login is a gateway's
  v1::AtrnGrant grant;
};

AtrnDecision DecideAtrn(const GatewayTable& gateways, const Overrides& overrides,
                        const v1::AtrnBegin& begin);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_CORE_DECISION_H_
