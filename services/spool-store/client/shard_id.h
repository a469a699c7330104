// Which shard a delivery is in: delivery ids carry it.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_ID_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_ID_H_

#include <cstdint>

namespace turnpike::spool {

// The upper 16 bits of a delivery's id are its shard's number, the others a sequence of that shard.
// Written to disk: never change it. Ids of shard 0, and of a store alone, are the sequence itself.
inline constexpr int kShardIdShift = 48;
inline constexpr uint32_t kShardsMax = 256;  // config.proto: spool.shards

constexpr uint32_t ShardOf(uint64_t delivery_id) {
  return static_cast<uint32_t>(delivery_id >> kShardIdShift);
}

// The first id that the shard may give is one above this.
constexpr uint64_t FirstIdOf(uint32_t shard) { return uint64_t{shard} << kShardIdShift; }

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_CLIENT_SHARD_ID_H_
