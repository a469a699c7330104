// The stores that a configuration names, as the other services use them: one at
// services.spool_store.target, or those of spool.shards as one spool (PL-24).
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_STORES_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_STORES_H_

#include <memory>
#include <string>
#include <vector>

#include "protos/turnpike/config/v1/config.pb.h"
#include "services/spool-store/client/shared_state.h"
#include "services/spool-store/client/slots.h"
#include "services/spool-store/client/spool.h"

namespace grpc {
class Channel;
}
namespace turnpike::rpc {
class Security;
}

namespace turnpike::spool {

// The gRPC targets, at least one; the number of a shard is its place.
std::vector<std::string> StoreTargets(const config::v1::Config& config);

// Channels to them, in this order.
using Stores = std::vector<std::shared_ptr<grpc::Channel>>;

// `security`: null for plain text; outlives the channels.
Stores ConnectToStores(const config::v1::Config& config, const rpc::Security* security);

// RpcSpool, RpcSlots and RpcSharedState of a store alone. Of several: CreateShardedSpool,
// CreateShardedSlots; the shared state is shard 0's. `stores` is not empty.
std::unique_ptr<Spool> CreateSpool(const Stores& stores);
std::unique_ptr<Slots> CreateSlots(const Stores& stores);
std::unique_ptr<SharedState> CreateSharedState(const Stores& stores);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_STORES_H_
