// What operators do with gateways while running: release, suspend, resume, access entries. (DQ-42,
// DQ-61)
//
// Callbacks run once, on a thread of the store's clients or inside the call. Errors are those of
// dequeue.proto; UNAVAILABLE and DEADLINE_EXCEEDED: the store is away.
#ifndef TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_OPERATOR_CALLS_H_
#define TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_OPERATOR_CALLS_H_

#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/dequeue/v1/dequeue.pb.h"
#include "services/gateway-dequeue/rpc/parts.h"

namespace turnpike::dequeue {

inline constexpr size_t kSuspendReasonBytesMax = 200;

using StatusCallback = absl::AnyInvocable<void(absl::Status)>;
using ReleaseCallback = absl::AnyInvocable<void(absl::StatusOr<v1::ReleaseGatewayResponse>)>;

void ReleaseByOperator(const Parts& parts, const GatewayPointer& gateway,
                       const v1::ReleaseGatewayRequest& request, absl::Time deadline,
                       ReleaseCallback done);

// A second suspension keeps the time of the first, and has the new reason. Sessions that run are
// the caller's business.
void Suspend(const Parts& parts, const GatewayPointer& gateway,
             const v1::SuspendGatewayRequest& request, absl::Time deadline, StatusCallback done);
void Resume(const Parts& parts, const GatewayPointer& gateway, absl::Time deadline,
            StatusCallback done);

// An entry that the configuration has is not added again. RESOURCE_EXHAUSTED: kAccessEntriesMax.
void AddAccess(const Parts& parts, const GatewayPointer& gateway,
               const v1::AddAccessEntryRequest& request, absl::Time deadline, StatusCallback done);
void RemoveAccess(const Parts& parts, const GatewayPointer& gateway,
                  const v1::RemoveAccessEntryRequest& request, absl::Time deadline,
                  StatusCallback done);

}  // namespace turnpike::dequeue

#endif  // TURNPIKE_SERVICES_GATEWAY_DEQUEUE_RPC_OPERATOR_CALLS_H_
