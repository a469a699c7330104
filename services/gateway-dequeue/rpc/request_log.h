// When each gateway last asked, from where, and how it ended. (DQ-60)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_REQUEST_LOG_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_REQUEST_LOG_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/common/smtp/reply.h"
#include "services/spool-store/client/shared_state.h"

namespace turnpike::dequeue {

mail::v1::Reply ToProto(const smtp::Reply& reply);

v1::LastRequest MakeLastRequest(absl::string_view protocol, absl::string_view client_address,
                                absl::Time request_time, const smtp::Reply& reply);

// Where the last request of a gateway is kept, as a serialized v1::LastRequest.
std::string LastRequestKey(absl::string_view gateway);

// Keeps it in the shared state, so that every replica can show it. Does not wait; what cannot be
// written is logged and forgotten: nothing depends on it.
void RecordLastRequest(spool::SharedState& state, absl::string_view gateway,
                       const v1::LastRequest& request);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_REQUEST_LOG_H_
