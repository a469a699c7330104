// turnpike.spool.v1.ShardService over a store that is one of several, or alone.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARD_SERVICE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARD_SERVICE_H_

#include "protos/turnpike/spool/v1/shard.grpc.pb.h"
#include "services/spool-store/rpc/drainable.h"
#include "services/spool-store/rpc/mover.h"
#include "services/spool-store/storage/rocks_store.h"

namespace turnpike::spool {

// Thread-safe.
class ShardService : public v1::ShardService::CallbackService {
 public:
  // Both must outlive the service's calls.
  ShardService(RocksStore& store, Mover& mover) : store_(store), mover_(mover) {}

  // Ends all streams: what is in progress is answered, then UNAVAILABLE. Later ones end at once.
  void Drain() { drain_list_.DrainAll(); }

  grpc::ServerUnaryReactor* GetShard(grpc::CallbackServerContext* context,
                                     const v1::GetShardRequest* request,
                                     v1::GetShardResponse* response) override;
  grpc::ServerUnaryReactor* SetDraining(grpc::CallbackServerContext* context,
                                        const v1::SetDrainingRequest* request,
                                        v1::SetDrainingResponse* response) override;
  grpc::ServerBidiReactor<v1::MoveInRequest, v1::MoveInResponse>* MoveIn(
      grpc::CallbackServerContext* context) override;

 private:
  v1::Shard Describe() const;

  RocksStore& store_;
  Mover& mover_;
  DrainList drain_list_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARD_SERVICE_H_
