#include "services/spool-store/client/stores.h"

#include <grpcpp/channel.h>

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/common/rpc/channel.h"
#include "services/spool-store/client/rpc_shared_state.h"
#include "services/spool-store/client/rpc_slots.h"
#include "services/spool-store/client/rpc_spool.h"
#include "services/spool-store/client/sharded_slots.h"
#include "services/spool-store/client/sharded_spool.h"

namespace turnpike::spool {
namespace {

// A store that leaves messages without any answer for so long counts as away.
constexpr absl::Duration kAnswerTimeMax = absl::Seconds(3);
// A restart is waited out before slots are counted elsewhere.
constexpr absl::Duration kSlotsPatience = absl::Seconds(5);

// Connects, too, where there is no connection.
bool IsConnected(grpc::Channel& channel) {
  return channel.GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY;
}

}  // namespace

std::vector<std::string> StoreTargets(const config::v1::Config& config) {
  if (config.spool().shards().empty()) return {config.services().spool_store().target()};
  return {config.spool().shards().begin(), config.spool().shards().end()};
}

Stores ConnectToStores(const config::v1::Config& config, const rpc::Security* security) {
  Stores stores;
  for (const std::string& target : StoreTargets(config)) {
    stores.push_back(rpc::CreateChannel(target, security));
  }
  return stores;
}

std::unique_ptr<Spool> CreateSpool(const Stores& stores) {
  if (stores.size() == 1) return RpcSpool::Create(stores[0]);
  Shards shards;
  for (const std::shared_ptr<grpc::Channel>& channel : stores) {
    std::unique_ptr<RpcSpool> spool = RpcSpool::Create(channel, {.returns_unsent = true});
    RpcSpool* const store = spool.get();
    shards.push_back({.spool = std::move(spool),
                      .enqueue =
                          [store](std::shared_ptr<const v1::NewMessage> message,
                                  absl::Time deadline, Spool::EnqueueCallback done) {
                            store->EnqueueShared(std::move(message), deadline, std::move(done));
                          },
                      .is_up =
                          [store, channel] {
                            return IsConnected(*channel) &&
                                   absl::Now() - store->waiting_since() < kAnswerTimeMax;
                          }});
  }
  return CreateShardedSpool(std::move(shards), ShardEnqueuer::Options(), base::Clock::System());
}

std::unique_ptr<Slots> CreateSlots(const Stores& stores) {
  if (stores.size() == 1) return CreateRpcSlots(stores[0]);
  std::vector<SlotsShard> shards;
  for (const std::shared_ptr<grpc::Channel>& channel : stores) {
    shards.push_back(
        {.slots = CreateRpcSlots(channel), .is_up = [channel] { return IsConnected(*channel); }});
  }
  return CreateShardedSlots(std::move(shards), kSlotsPatience, base::Clock::System());
}

std::unique_ptr<SharedState> CreateSharedState(const Stores& stores) {
  return CreateRpcSharedState(stores.front());
}

}  // namespace turnpike::spool
