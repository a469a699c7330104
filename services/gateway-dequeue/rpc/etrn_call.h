// One ETRN, from the question to its reply. (DQ-11, DQ-12)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_ETRN_CALL_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_ETRN_CALL_H_

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/gateway-dequeue/rpc/parts.h"

namespace turnpike::dequeue {

// Decides, releases durably, and says the reply: 458 for whatever went wrong on our side. `done`
// runs once, on a thread of the store's clients or inside the call.
void AnswerEtrn(const Parts& parts, const v1::RequestEtrnRequest& request, absl::Time deadline,
                absl::AnyInvocable<void(v1::RequestEtrnResponse)> done);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_ETRN_CALL_H_
