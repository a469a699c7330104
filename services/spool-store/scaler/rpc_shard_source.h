// A shard that is asked by gRPC.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_SCALER_RPC_SHARD_SOURCE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_SCALER_RPC_SHARD_SOURCE_H_

#include <memory>
#include <string>

#include "services/spool-store/scaler/shard_totals.h"

namespace grpc {
class Channel;
}

namespace turnpike::spool {

// Asks ShardService.GetShard over `channel`; `name` is what messages call the shard.
std::unique_ptr<ShardSource> CreateRpcShardSource(std::string name,
                                                  std::shared_ptr<grpc::Channel> channel);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_SCALER_RPC_SHARD_SOURCE_H_
