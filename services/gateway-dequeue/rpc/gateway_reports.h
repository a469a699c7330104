// Gateways with their state, joined from the configuration, the spool and the shared state. (DQ-60)
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_GATEWAY_REPORTS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_GATEWAY_REPORTS_H_

#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/gateway-dequeue/core/gateways.h"
#include "services/gateway-dequeue/rpc/parts.h"

namespace turnpike::dequeue {

// Asks for all gateways at once and reports them in the order given; the first error that matters
// instead (UNAVAILABLE: the store is away). `done` runs on a thread of the store's clients, or
// inside the call. `parts` outlives it.
void ReportGateways(const std::vector<GatewayPointer>& gateways, const Parts& parts,
                    absl::Time deadline,
                    absl::AnyInvocable<void(absl::StatusOr<std::vector<v1::Gateway>>)> done);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_GATEWAY_REPORTS_H_
