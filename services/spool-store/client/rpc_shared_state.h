// The shared state over gRPC.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SHARED_STATE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SHARED_STATE_H_

#include <memory>

#include "services/spool-store/client/shared_state.h"

namespace grpc {
class Channel;
}

namespace turnpike::spool {

// Callbacks run on gRPC's threads. Calls are not repeated: UNAVAILABLE is reported at once.
std::unique_ptr<SharedState> CreateRpcSharedState(const std::shared_ptr<grpc::Channel>& channel);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SHARED_STATE_H_
