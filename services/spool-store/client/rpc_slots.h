// Slots over gRPC.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SLOTS_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SLOTS_H_

#include <memory>

#include "services/spool-store/client/slots.h"

namespace grpc {
class Channel;
}

namespace turnpike::spool {

// One stream for all, opened with the first slot and again (50 ms to 2 s apart) whenever it has
// broken; then what is held is taken anew before what is waited for. Callbacks run on gRPC's
// threads.
std::unique_ptr<Slots> CreateRpcSlots(const std::shared_ptr<grpc::Channel>& channel);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_RPC_SLOTS_H_
